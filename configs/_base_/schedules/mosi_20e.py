# Kinetics (paper appendix): 20 epochs, 2 of them warm-up.
_base_ = 'mosi_100e.py'

max_epochs = 20

train_cfg = dict(max_epochs=max_epochs, val_interval=1)
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        by_epoch=False,
        max_epochs=max_epochs,
        warmup_epochs=2,
        start_factor=0.1,
    )
]
