# A directory of photographs at tiny size: clips of 8 x 32^2 from 64^2.
data_root = '{{$MOSI_DATA:data/images}}'

train_pipeline = [
    dict(type='SeedSample'),
    dict(type='LoadSourceFrame', short_side=64),
    dict(type='CropSource', size=64, flip_ratio=0.5),
    dict(type='DrawPseudoMotion', clip_len=8, crop_size=32),
    dict(type='DrawStaticMask', side_ratio=(0.4, 0.7)),
    dict(type='RenderPseudoMotion'),
    dict(type='PackMoSIInputs'),
]
val_pipeline = [
    dict(type='SeedSample'),
    dict(type='LoadSourceFrame', frame='middle', short_side=64),
    dict(type='CropSource', size=64, flip_ratio=0.0, random_crop=False),
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
        type='SourceImageDataset',
        data_root=data_root,
        split='train',
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
        type='SourceImageDataset',
        data_root=data_root,
        split='val',
        test_mode=True,
        # tools/test.py stops at a bad file regardless of this.
        bad_files='skip',
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='MoSIMetric')
test_evaluator = val_evaluator
