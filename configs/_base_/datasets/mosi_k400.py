# Pretraining on single frames of Kinetics-400. The layout is that of
# MMAction2's documentation.
_base_ = 'mosi_images.py'

data_root = '{{$MOSI_DATA:data/kinetics400}}'

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix='videos_train',
        ann_file='kinetics400_train_list_videos.txt',
        split=None,
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix='videos_val',
        ann_file='kinetics400_val_list_videos.txt',
        split=None,
    )
)
test_dataloader = val_dataloader
