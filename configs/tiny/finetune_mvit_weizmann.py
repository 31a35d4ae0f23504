# Action recognition on Weizmann: a tiny MViTv2 after MoSI.
_base_ = [
    '../_base_/models/tiny_finetune_mvit.py',
    '../_base_/datasets/tiny_weizmann.py',
    '../_base_/schedules/tiny_finetune_adamw.py',
    '../_base_/tiny_finetune_runtime.py',
]

# The pretrained file: set this variable, the environment variable, or
# --cfg-options load_from=FILE (load_from=None trains from scratch).
load_from = '{{$MOSI_PRETRAINED:work_dirs/mosi_mvit_deadleaves/epoch_14.pth}}'
