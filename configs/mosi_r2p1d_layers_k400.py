# MoSI beyond the paper (docs/layers.md): shifts, zooms and swings with unsigned
# labels.
_base_ = 'mosi_r2p1d_k400.py'

from mosi_mmaction import set_layers

set_layers(_base_)
