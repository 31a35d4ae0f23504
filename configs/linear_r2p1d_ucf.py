# Linear probe of R(2+1)D-10 (stock) on UCF101 (split 1): only the classifier
# learns, on features that stay as MoSI left them, batch norm included.
_base_ = 'finetune_r2p1d_ucf.py'

model = dict(
    backbone=dict(frozen_stages=4, norm_eval=True),
    cls_head=dict(dropout_ratio=0.0),
)

optim_wrapper = dict(optimizer=dict(lr=1e-2, weight_decay=0.0))
__import__('mosi_mmaction').set_epochs(_base_, 100)

# The stock network freezes after DistributedDataParallel has wrapped it.
find_unused_parameters = True
