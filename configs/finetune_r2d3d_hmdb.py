# Action recognition on HMDB51 (split 1) from a MoSI checkpoint, 8 GPUs.
_base_ = [
    '_base_/models/finetune_r2d3d.py',
    '_base_/datasets/finetune_hmdb51.py',
    '_base_/schedules/finetune_300e.py',
    '_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=2e-3))

# 128 clips on each of 8 GPUs.
train_dataloader = dict(batch_size=128)
auto_scale_lr = dict(base_batch_size=1024)

# The pretrained file: set this variable, the environment variable, or
# --cfg-options load_from=FILE (load_from=None trains from scratch).
load_from = '{{$MOSI_PRETRAINED:work_dirs/mosi_r2d3d_hmdb/epoch_100.pth}}'
