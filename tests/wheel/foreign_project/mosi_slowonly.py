# A config of another project, which has nothing of ours but the installed
# package: MoSI of one axis on frames of HMDB51, on a SlowOnly that fits a CPU.
# It is trained by MMAction2's own tools/train.py.
_base_ = [__import__('mosi_mmaction').config_path('mosi_r2p1d_hmdb')]

from mosi_mmaction import set_motion

set_motion(_base_, axes='x', num_speeds=3)

model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet3dSlowOnly',
        depth=18,
        stage_blocks=(1, 1, 1, 1),
        base_channels=8,
        lateral=False,
        pretrained=None,
        conv1_kernel=(1, 7, 7),
        conv1_stride_t=1,
        pool1_stride_t=1,
        inflate=(0, 0, 1, 1),
        norm_eval=False,
    ),
    cls_head=dict(in_channels=64),
)

train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False)
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False)

train_cfg = dict(max_epochs=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1))
