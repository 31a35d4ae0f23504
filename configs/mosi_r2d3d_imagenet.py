# MoSI pretraining of the paper's R-2D3D-18 on photographs, 8 GPUs.
_base_ = [
    '_base_/models/mosi_r2d3d.py',
    '_base_/datasets/mosi_images.py',
    '_base_/schedules/adam_cosine.py',
    '_base_/default_runtime.py',
]

# 20 source images on each of 8 GPUs.
train_dataloader = dict(batch_size=20)
auto_scale_lr = dict(base_batch_size=160)
