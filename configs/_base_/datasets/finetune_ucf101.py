# UCF101, split 1; otherwise like HMDB51.
_base_ = 'finetune_hmdb51.py'

data_root = '{{$MOSI_DATA:data/ucf101}}'

train_dataloader = dict(
    dataset=dict(
        ann_file=data_root + '/ucf101_train_split_1_videos.txt',
        data_prefix=dict(video=data_root + '/videos'),
    )
)
val_dataloader = dict(
    dataset=dict(
        ann_file=data_root + '/ucf101_val_split_1_videos.txt',
        data_prefix=dict(video=data_root + '/videos'),
    )
)
test_dataloader = dict(
    dataset=dict(
        ann_file=data_root + '/ucf101_val_split_1_videos.txt',
        data_prefix=dict(video=data_root + '/videos'),
    )
)
