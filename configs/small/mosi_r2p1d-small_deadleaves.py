# The small family: base width 16, clips of 16 x 56^2. It takes about an hour
# of one core and needs no photographs.
_base_ = [
    '../_base_/models/mosi_r2p1d.py',
    '../_base_/datasets/small_deadleaves.py',
    '../_base_/schedules/small_mosi.py',
    '../_base_/tiny_runtime.py',
]

model = dict(
    backbone=dict(base_channels=16),
    cls_head=dict(in_channels=128, dropout_ratio=0.0),
    data_preprocessor=dict(channels_last=True),
)
