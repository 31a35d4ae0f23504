# Like the tiny pretraining schedule, with 10 epochs of warm-up. The number of
# epochs is the budget; this is a short one.
_base_ = 'tiny_mosi.py'

from mosi_mmaction import set_epochs

set_epochs(_base_, 40, warmup_epochs=10)

train_cfg = dict(val_interval=10)
optim_wrapper = dict(optimizer=dict(weight_decay=1e-3))
auto_scale_lr = dict(base_batch_size=16)
