# Nearest-neighbour retrieval and k-NN on Weizmann, on pretrained features
# without further training:
# python tools/test.py configs/small/retrieval_r2p1d-small_weizmann.py FILE.pth
_base_ = 'finetune_r2p1d-small_weizmann.py'

from mosi_mmaction import set_retrieval

set_retrieval(_base_)
