# Like every other run, except that the checkpoint of every epoch is kept. For
# speed on a CPU, weights have the memory format of the clips, and freed memory
# is kept.
_base_ = 'default_runtime.py'

default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=-1),
    fast=dict(type='FastModelHook', keep_memory=True),
)
