# Computer-drawn dead leaves at tiny size instead of photographs.
train_pipeline = [
    dict(type='SeedSample'),
    dict(type='CropSource', size=64, flip_ratio=0.5),
    dict(type='DrawPseudoMotion', clip_len=8, crop_size=32),
    dict(type='DrawStaticMask', side_ratio=(0.4, 0.7)),
    dict(type='RenderPseudoMotion'),
    dict(type='PackMoSIInputs'),
]

train_dataloader = dict(
    batch_size=10,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='DeadLeavesDataset',
        num_images=900,
        size=64,
        seed=0,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=10,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='DeadLeavesDataset',
        num_images=100,
        size=64,
        seed=1,
        test_mode=True,
        pipeline=train_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='MoSIMetric')
test_evaluator = val_evaluator
