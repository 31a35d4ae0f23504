# Linear probe of R-2D3D-18 on HMDB51 (split 1): only the classifier
# learns, on features that stay as MoSI left them, batch norm included.
_base_ = 'finetune_r2d3d_hmdb.py'

model = dict(
    backbone=dict(frozen_stages=4, norm_eval=True),
    cls_head=dict(dropout_ratio=0.0),
)

optim_wrapper = dict(optimizer=dict(lr=1e-2, weight_decay=0.0))
__import__('mosi_mmaction').set_epochs(_base_, 100)
