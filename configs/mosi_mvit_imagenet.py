# MoSI pretraining of MViTv2-S on photographs, 8 GPUs.
_base_ = [
    '_base_/models/mosi_mvit.py',
    '_base_/datasets/mosi_images.py',
    '_base_/schedules/adamw_cosine.py',
    '_base_/default_runtime.py',
]
