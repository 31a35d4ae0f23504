# The last three checkpoints and the best one: an epoch is short.
_base_ = 'tiny_runtime.py'

default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=3, save_best='acc/top1', rule='greater'),
)
