"""Small runs that are killed, and what is left of them."""

from helpers.paths import CONFIGS

RUN = """
custom_imports = dict(imports=['mosi_mmaction', 'helpers.reliability_hooks'],
                      allow_failed_imports=False)
custom_hooks = {hooks}
randomness = dict(seed=None)
train_cfg = dict(max_epochs=3, val_interval={val_interval})
"""
PRETRAIN = """
_base_ = '{configs}/tiny/mosi_r2p1d_deadleaves.py'
model = dict(backbone=dict(base_channels=4),
             cls_head=dict(in_channels=32, dropout_ratio=0.5))
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(num_images=6))
val_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(num_images=2))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
"""
#: Clips of layers, whose foreground depends on the batch.
LAYERS = (
    PRETRAIN
    + """
from mosi_mmaction import set_motion

set_motion(_base_, motions=('shift', 'turn'), signed=False, shape='mixed',
           soft=0.2, background=dict(max_shift=0.1, texture='other'))
"""
)


def write_config(path, text, hooks=(), **values):
    values.setdefault('val_interval', 1)
    path.write_text(
        (text + RUN).format(configs=CONFIGS, hooks=list(hooks), **values)
    )
    return path
