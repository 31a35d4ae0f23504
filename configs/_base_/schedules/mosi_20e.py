# Kinetics (paper appendix): 20 epochs, 2 of them warm-up.
_base_ = 'mosi_100e.py'

max_epochs = 20

train_cfg = dict(max_epochs=max_epochs, val_interval=1)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.1,
        begin=0,
        end=2,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs - 2,
        eta_min=0,
        begin=2,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
