# The tiny family: base width 8, clips of 8 x 32^2. It takes minutes on a CPU
# and needs no photographs.
_base_ = [
    '../_base_/models/mosi_r2p1d.py',
    '../_base_/datasets/mosi_deadleaves.py',
    '../_base_/schedules/tiny_mosi.py',
    '../_base_/tiny_runtime.py',
]

model = dict(
    backbone=dict(base_channels=8),
    cls_head=dict(in_channels=64, dropout_ratio=0.0),
    data_preprocessor=dict(channels_last=True),
)
