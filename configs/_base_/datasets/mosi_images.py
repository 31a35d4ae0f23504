# Pretraining on a directory of photographs, split automatically: a hash of
# its relative path decides whether a file is held out.
data_root = '{{$MOSI_DATA:data/imagenet/train}}'

train_pipeline = [
    dict(type='SeedSample'),
    dict(type='LoadSourceFrame', short_side=320),
    dict(type='CropSource', size=320, flip_ratio=0.5),
    dict(type='DrawPseudoMotion', clip_len=16, crop_size=112),
    dict(type='DrawStaticMask', side_ratio=(0.3, 0.5)),
    dict(type='DrawColorJitter'),
    dict(type='RenderPseudoMotion'),
    dict(type='PackMoSIInputs'),
]
val_pipeline = [
    dict(type='SeedSample'),
    dict(type='LoadSourceFrame', frame='middle', short_side=320),
    dict(type='CropSource', size=320, flip_ratio=0.0, random_crop=False),
    dict(type='DrawPseudoMotion', clip_len=16, crop_size=112),
    dict(type='DrawStaticMask', side_ratio=(0.3, 0.5)),
    dict(type='RenderPseudoMotion'),
    dict(type='PackMoSIInputs'),
]

train_dataloader = dict(
    batch_size=10,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    # One incomplete batch is dropped every 20 epochs.
    batch_sampler=dict(type='RoundBatchSampler', epochs=20),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='SourceImageDataset',
        data_root=data_root,
        split='train',
        val_fraction=0.02,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=10,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='SourceImageDataset',
        data_root=data_root,
        split='val',
        val_fraction=0.02,
        test_mode=True,
        # tools/test.py stops at a bad file regardless of this.
        bad_files='skip',
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='MoSIMetric')
test_evaluator = val_evaluator
