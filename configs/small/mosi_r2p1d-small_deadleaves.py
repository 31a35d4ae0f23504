# The family at base width 16 and 16 x 56^2 clips: about an hour of one core,
# and no photograph needed.
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
