# Nearest-neighbour retrieval and k-NN on Weizmann, on pretrained features
# without further training:
# python tools/test.py configs/tiny/retrieval_r2p1d_weizmann.py PRETRAINED.pth
_base_ = 'finetune_r2p1d_weizmann.py'

from mosi_mmaction import set_retrieval

set_retrieval(_base_)
