# HMDB51, split 1: 16 frames, every 4th at 30 a second. Training crops 32 to
# 58 % of a frame of 256x340 pixels; the test takes 10 clips of a central
# square (7/8 of the short side).
data_root = '{{$MOSI_DATA:data/hmdb51}}'

train_pipeline = [
    dict(type='SeedSample'),
    dict(type='VideoInit'),
    dict(
        type='SampleFramesAtRate',
        clip_len=16,
        frame_interval=4,
        num_clips=1,
        target_fps=30,
    ),
    dict(type='VideoDecode'),
    dict(
        type='RandomResizedCrop',
        area_range=(168**2 / (256 * 340), 224**2 / (256 * 340)),
        aspect_ratio_range=(6 / 7, 7 / 6),
    ),
    dict(type='Resize', scale=(112, 112), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='ClipColorJitter'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
val_pipeline = [
    dict(type='SeedSample'),
    dict(type='VideoInit'),
    dict(
        type='SampleFramesAtRate',
        clip_len=16,
        frame_interval=4,
        num_clips=1,
        target_fps=30,
        test_mode=True,
    ),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 128)),
    dict(type='CenterCrop', crop_size=112),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]
test_pipeline = [
    dict(type='SeedSample'),
    dict(type='VideoInit'),
    dict(
        type='SampleFramesAtRate',
        clip_len=16,
        frame_interval=4,
        num_clips=10,
        target_fps=30,
        test_mode=True,
    ),
    dict(type='VideoDecode'),
    dict(type='Resize', scale=(-1, 128)),
    dict(type='CenterCrop', crop_size=112),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs'),
]

train_dataloader = dict(
    batch_size=48,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='mosi_collate'),
    # One incomplete batch is dropped every 30 epochs.
    batch_sampler=dict(type='RoundBatchSampler', epochs=30),
    dataset=dict(
        type='ActionVideoDataset',
        ann_file=data_root + '/hmdb51_train_split_1_videos.txt',
        data_prefix=dict(video=data_root + '/videos'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='ActionVideoDataset',
        ann_file=data_root + '/hmdb51_val_split_1_videos.txt',
        data_prefix=dict(video=data_root + '/videos'),
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = dict(
    batch_size=4,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    collate_fn=dict(type='mosi_collate'),
    dataset=dict(
        type='ActionVideoDataset',
        ann_file=data_root + '/hmdb51_val_split_1_videos.txt',
        data_prefix=dict(video=data_root + '/videos'),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)

val_evaluator = dict(type='AccMetric')
test_evaluator = val_evaluator
