# Action recognition on the rendered videos of `make demo` (tools/demo.py):
# 11 ways to move.
_base_ = [
    '../_base_/models/finetune_r2p1d.py',
    '../_base_/datasets/tiny_actions.py',
    '../_base_/schedules/tiny_finetune.py',
    '../_base_/tiny_finetune_runtime.py',
]

model = dict(
    backbone=dict(base_channels=8),
    cls_head=dict(in_channels=64, num_classes=11),
    data_preprocessor=dict(channels_last=True),
)

load_from = '{{$MOSI_PRETRAINED:work_dirs/demo/mosi/epoch_5.pth}}'
