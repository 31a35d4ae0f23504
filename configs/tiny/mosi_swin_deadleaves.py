# A tiny Video Swin on clips of 8 x 32^2, no photograph needed.
_base_ = [
    '../_base_/models/tiny_mosi_swin.py',
    '../_base_/datasets/mosi_deadleaves.py',
    '../_base_/schedules/tiny_adamw.py',
    '../_base_/tiny_runtime.py',
]
