# Linear probe of R-2D3D-18 on HMDB51 (split 1): only the classifier
# is trained; the features of MoSI stay unchanged, batch norm included.
_base_ = 'finetune_r2d3d_hmdb.py'

from mosi_mmaction import set_linear_probe

set_linear_probe(_base_, epochs=100)
