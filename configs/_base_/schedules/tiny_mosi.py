# For a CPU: one pass over the data per epoch, one epoch of warm-up.
_base_ = 'adam_cosine.py'

max_epochs = 14

train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1
)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
# The published results of configs/tiny used these two schedulers.
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.1,
        begin=0,
        end=1,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs - 1,
        eta_min=0,
        begin=1,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=10)
