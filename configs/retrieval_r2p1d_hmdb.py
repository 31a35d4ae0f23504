# Nearest-neighbour retrieval and k-NN of R(2+1)D-10 (stock) on HMDB51
# (split 1), on pretrained features without further training:
# python tools/test.py configs/retrieval_r2p1d_hmdb.py PRETRAINED.pth
_base_ = 'finetune_r2p1d_hmdb.py'

from mosi_mmaction import set_retrieval

set_retrieval(_base_)
