# MoSI of layers (docs/layers.md): unsigned shifts and turns, mattes of mixed
# shapes with soft edges, in front of a sliding background.
_base_ = 'mosi_r2p1d_deadleaves.py'

from mosi_mmaction import set_layers

set_layers(_base_)
