# As finetune_r2p1d_hmdb, but tested on 10 clips x 3 crops.
_base_ = 'finetune_r2p1d_hmdb.py'
__import__('mosi_mmaction').config.set_three_crops(_base_)
