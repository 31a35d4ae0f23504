# As long as the paper's fine-tuning.
_base_ = 'adamw_cosine.py'

from mosi_mmaction import set_epochs

set_epochs(_base_, 300)

train_cfg = dict(val_interval=10)
# 48 clips on each of 8 GPUs.
auto_scale_lr = dict(base_batch_size=384)
