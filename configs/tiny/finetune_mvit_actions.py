# Action recognition on the rendered videos of `make demo`: a tiny MViTv2.
_base_ = [
    '../_base_/models/tiny_finetune_mvit.py',
    '../_base_/datasets/tiny_actions.py',
    '../_base_/schedules/tiny_finetune_adamw.py',
    '../_base_/tiny_finetune_runtime.py',
]

model = dict(cls_head=dict(num_classes=11))

load_from = '{{$MOSI_PRETRAINED:work_dirs/mosi_mvit_deadleaves/epoch_14.pth}}'
