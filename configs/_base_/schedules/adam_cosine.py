# The pretraining schedule, of which the others are variations. Paper appendix
# and release: Adam 1e-3, half-period cosine over all epochs, 10 epochs of
# linear warm-up from a tenth to the cosine, weight decay 1e-4 except on batch
# norm.
max_epochs = 100

train_cfg = dict(type='RoundTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=1e-3, weight_decay=1e-4),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        by_epoch=False,
        max_epochs=max_epochs,
        warmup_epochs=10,
        start_factor=0.1,
    )
]
# 10 source images on each of 8 GPUs.
auto_scale_lr = dict(enable=False, base_batch_size=80)
