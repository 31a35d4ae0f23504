# MoSI of layers (docs/layers.md): unsigned shifts and turns, mattes of mixed
# shapes with soft edges, over a background that slides.
_base_ = 'mosi_r2p1d_imagenet.py'

from mosi_mmaction import set_layers

set_layers(_base_)
