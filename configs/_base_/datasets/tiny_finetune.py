# Labelled videos at tiny size: 8 frames, every 4th, of 40^2; 10 clips of the
# whole frame at test. Leaf configs set the paths of the videos and lists.

# MiB of decoded frames that each worker may keep: decoding such videos again in
# every epoch takes longer than training on them.
cache_mb = 512

train_pipeline = [
    dict(type='SeedSample'),
    dict(type='VideoInit', cache_mb=cache_mb),
    dict(type='SampleFrames', clip_len=8, frame_interval=4, num_clips=1),
    dict(type='VideoDecode'),
    dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
    dict(type='Resize', scale=(40, 40), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='ClipColorJitter'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='SeedSample'),
    dict(type='VideoInit', cache_mb=cache_mb),
    dict(
        type='SampleFrames',
        clip_len=8,
        frame_interval=4,
        num_clips=10,
        test_mode=True,
    ),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(40, 40), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(type='ActionVideoDataset', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='ActionVideoDataset', pipeline=test_pipeline, test_mode=True
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
