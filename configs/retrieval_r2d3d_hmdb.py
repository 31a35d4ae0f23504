# Nearest-neighbour retrieval and k-NN of R-2D3D-18 on HMDB51
# (split 1), on pretrained features without further training:
# python tools/test.py configs/retrieval_r2d3d_hmdb.py PRETRAINED.pth
_base_ = 'finetune_r2d3d_hmdb.py'

from mosi_mmaction import set_retrieval

set_retrieval(_base_)
