# A tiny MViTv2 on clips of 8 x 32^2, no photograph needed.
_base_ = [
    '../_base_/models/tiny_mosi_mvit.py',
    '../_base_/datasets/mosi_deadleaves.py',
    '../_base_/schedules/tiny_adamw.py',
    '../_base_/tiny_runtime.py',
]
