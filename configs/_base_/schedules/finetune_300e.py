# Paper appendix and release: Adam, weight decay 1e-3 but none on batch norm,
# half-period cosine over 300 epochs, to which a linear warm-up from a tenth
# leads in 10.
max_epochs = 300

train_cfg = dict(type='RoundTrainLoop', max_epochs=max_epochs, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=7.5e-4, weight_decay=1e-3),
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
# 48 clips on each of 8 GPUs.
auto_scale_lr = dict(enable=False, base_batch_size=384)
