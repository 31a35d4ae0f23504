# As long as the tiny schedule of pretraining.
_base_ = 'adamw_cosine.py'

from mosi_mmaction import set_epochs

set_epochs(_base_, 14, warmup_epochs=2)

train_cfg = dict(type='EpochBasedTrainLoop', val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=10)
