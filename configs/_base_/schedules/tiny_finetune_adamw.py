# As long as the tiny schedule of fine-tuning.
_base_ = 'tiny_adamw.py'

from mosi_mmaction import set_epochs

set_epochs(_base_, 40, warmup_epochs=10)

train_cfg = dict(val_interval=10)
auto_scale_lr = dict(base_batch_size=16)
