# Linear probe on Weizmann: only the classifier learns, on features that stay
# as MoSI left them, batch norm included.
_base_ = 'finetune_r2p1d_weizmann.py'

model = dict(
    backbone=dict(frozen_stages=4, norm_eval=True),
    cls_head=dict(dropout_ratio=0.0),
)

optim_wrapper = dict(optimizer=dict(lr=1e-2, weight_decay=0.0))

# The stock network freezes after DistributedDataParallel has wrapped it.
find_unused_parameters = True
