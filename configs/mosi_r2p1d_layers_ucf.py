# MoSI of layers (docs/layers.md): unsigned shifts and turns, mattes of mixed
# shapes with soft edges, over a background that slides.
_base_ = 'mosi_r2p1d_ucf.py'

from mosi_mmaction import set_motion

set_motion(
    _base_,
    motions=('shift', 'turn'),
    signed=False,
    ease=0.5,
    shape='mixed',
    soft=0.1,
    background=0.25,
)
