# Action recognition on Weizmann: train on 6 actors, test on 3.
# MOSI_DATA is the directory of the videos, MOSI_SPLITS that of the lists
# train.txt and test.txt.
_base_ = [
    '../_base_/models/finetune_r2p1d.py',
    '../_base_/datasets/small_finetune.py',
    '../_base_/schedules/tiny_finetune.py',
    '../_base_/tiny_finetune_runtime.py',
]

videos = '{{$MOSI_DATA:data/weizmann/videos}}'
splits = '{{$MOSI_SPLITS:data/weizmann}}'

model = dict(
    backbone=dict(base_channels=16),
    cls_head=dict(in_channels=128, num_classes=10),
    data_preprocessor=dict(channels_last=True),
)

train_dataloader = dict(
    dataset=dict(
        ann_file=splits + '/train.txt', data_prefix=dict(video=videos)
    )
)
val_dataloader = dict(
    dataset=dict(ann_file=splits + '/test.txt', data_prefix=dict(video=videos))
)
test_dataloader = val_dataloader

# The pretrained file: set this variable, the environment variable, or
# --cfg-options load_from=FILE (load_from=None trains from scratch).
load_from = (
    '{{$MOSI_PRETRAINED:work_dirs/mosi_r2p1d-small_deadleaves/epoch_14.pth}}'
)
