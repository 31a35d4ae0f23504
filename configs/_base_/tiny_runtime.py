# As every other run, but every epoch's checkpoint is kept, and weights are in
# the memory format of the clips and freed memory is kept: faster on a CPU.
_base_ = 'default_runtime.py'

default_hooks = dict(
    checkpoint=dict(interval=1, max_keep_ckpts=-1),
    fast=dict(type='FastModelHook', keep_memory=True),
)
