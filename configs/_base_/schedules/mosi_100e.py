# Paper appendix and release: Adam 1e-3, 10 epochs of linear warm-up from
# 1e-4, half-period cosine, weight decay 1e-4 but none on batch norm.
max_epochs = 100

train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5
)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-4),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.1,
        begin=0,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs - 10,
        eta_min=0,
        begin=10,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
# 10 source images on each of 8 GPUs.
auto_scale_lr = dict(enable=False, base_batch_size=80)
