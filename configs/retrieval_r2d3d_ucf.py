# Nearest-neighbour retrieval and k-NN of R-2D3D-18 on UCF101
# (split 1), on features that nothing was trained for:
# python tools/test.py configs/retrieval_r2d3d_ucf.py PRETRAINED.pth
_base_ = 'finetune_r2d3d_ucf.py'
__import__('mosi_mmaction').config.set_retrieval(_base_)
