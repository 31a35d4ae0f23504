# As every other run, but with a checkpoint every epoch.
_base_ = 'default_runtime.py'

default_hooks = dict(checkpoint=dict(interval=1))
