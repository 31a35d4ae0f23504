# Pretraining on single frames of UCF101 (split 1); the middle frames of its
# test videos are held out. The layout is that of MMAction2's documentation.
_base_ = 'mosi_images.py'

data_root = '{{$MOSI_DATA:data/ucf101}}'

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix='videos',
        ann_file='ucf101_train_split_1_videos.txt',
        split=None,
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix='videos',
        ann_file='ucf101_val_split_1_videos.txt',
        split=None,
    )
)
test_dataloader = val_dataloader
