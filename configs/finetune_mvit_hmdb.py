# Action recognition on HMDB51 (split 1): MViTv2-S after MoSI, 8 GPUs.
_base_ = [
    '_base_/models/finetune_mvit.py',
    '_base_/datasets/finetune_hmdb51.py',
    '_base_/schedules/adamw_finetune_300e.py',
    '_base_/default_runtime.py',
]

# The pretrained file: set this variable, the environment variable, or
# --cfg-options load_from=FILE (load_from=None trains from scratch).
load_from = '{{$MOSI_PRETRAINED:work_dirs/mosi_mvit_hmdb/epoch_100.pth}}'
