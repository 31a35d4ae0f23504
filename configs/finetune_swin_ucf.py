# Action recognition on UCF101 (split 1): Video Swin-T after MoSI, 8 GPUs.
_base_ = [
    '_base_/models/finetune_swin.py',
    '_base_/datasets/finetune_ucf101.py',
    '_base_/schedules/adamw_finetune_300e.py',
    '_base_/default_runtime.py',
]

model = dict(cls_head=dict(num_classes=101))

# The pretrained file: set this variable, the environment variable, or
# --cfg-options load_from=FILE (load_from=None trains from scratch).
load_from = '{{$MOSI_PRETRAINED:work_dirs/mosi_swin_ucf/epoch_100.pth}}'
