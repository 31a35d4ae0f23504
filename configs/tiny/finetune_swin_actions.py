# Action recognition on the rendered videos of `make demo`: a tiny Video Swin.
_base_ = [
    '../_base_/models/tiny_finetune_swin.py',
    '../_base_/datasets/tiny_actions.py',
    '../_base_/schedules/tiny_finetune_adamw.py',
    '../_base_/tiny_finetune_runtime.py',
]

model = dict(cls_head=dict(num_classes=11))

load_from = '{{$MOSI_PRETRAINED:work_dirs/mosi_swin_deadleaves/epoch_14.pth}}'
