# Kinetics: 20 epochs, 2 of them warm-up.
_base_ = 'adamw_cosine.py'

from mosi_mmaction import set_epochs

set_epochs(_base_, 20, warmup_epochs=2)

train_cfg = dict(val_interval=1)
