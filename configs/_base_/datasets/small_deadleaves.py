# Computer-drawn dead leaves at small size: clips of 16 x 56^2 out of 160^2,
# half of the paper's in every length, its masks.
train_pipeline = [
    dict(type='SeedSample'),
    dict(type='CropSource', size=160, flip_ratio=0.5),
    dict(type='DrawPseudoMotion', clip_len=16, crop_size=56),
    dict(type='DrawStaticMask', side_ratio=(0.3, 0.5)),
    dict(type='RenderPseudoMotion'),
    dict(type='PackMoSIInputs'),
]

train_dataloader = dict(
    batch_size=5,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='DeadLeavesDataset',
        num_images=900,
        size=160,
        seed=0,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=5,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='DeadLeavesDataset',
        num_images=100,
        size=160,
        seed=1,
        test_mode=True,
        pipeline=train_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='MoSIMetric')
test_evaluator = val_evaluator
