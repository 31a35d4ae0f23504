# Fine-tuning (paper appendix and release): 300 epochs, weight decay 1e-3.
_base_ = 'adam_cosine.py'

from mosi_mmaction import set_epochs

set_epochs(_base_, 300)

train_cfg = dict(val_interval=10)
optim_wrapper = dict(optimizer=dict(lr=7.5e-4, weight_decay=1e-3))
# 48 clips on each of 8 GPUs.
auto_scale_lr = dict(base_batch_size=384)
