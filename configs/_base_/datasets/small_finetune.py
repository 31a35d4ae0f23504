# Labelled videos at small size: 16 frames, every 2nd, of 64^2; 10 clips of the
# whole frame at test. Leaves say where the videos and their lists are.

# MiB of decoded frames that each worker may keep; to decode such videos
# again every epoch costs more than to train on them.
cache_mb = 512

train_pipeline = [
    dict(type='SeedSample'),
    dict(type='VideoInit', cache_mb=cache_mb),
    dict(type='SampleFrames', clip_len=16, frame_interval=2, num_clips=1),
    dict(type='VideoDecode'),
    dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
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
        clip_len=16,
        frame_interval=2,
        num_clips=10,
        test_mode=True,
    ),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(type='ActionVideoDataset', pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        type='ActionVideoDataset', pipeline=test_pipeline, test_mode=True
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
