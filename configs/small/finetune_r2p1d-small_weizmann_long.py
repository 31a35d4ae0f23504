# The same, trained for longer.
_base_ = 'finetune_r2p1d-small_weizmann.py'

from mosi_mmaction import set_epochs

set_epochs(_base_, 600)

train_cfg = dict(val_interval=100)
default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=3))
