# Like finetune_r2p1d_hmdb, but tested on 10 clips x 3 crops.
_base_ = 'finetune_r2p1d_hmdb.py'

from mosi_mmaction import set_three_crops

set_three_crops(_base_)
