# Action recognition on UCF101 (split 1): MViTv2-S after MoSI, 8 GPUs.
_base_ = [
    '_base_/models/finetune_mvit.py',
    '_base_/datasets/finetune_ucf101.py',
    '_base_/schedules/adamw_finetune_300e.py',
    '_base_/default_runtime.py',
]

model = dict(cls_head=dict(num_classes=101))

# The pretrained file: set this variable, the environment variable, or
# --cfg-options load_from=FILE (load_from=None trains from scratch).
load_from = '{{$MOSI_PRETRAINED:work_dirs/mosi_mvit_ucf/epoch_100.pth}}'
