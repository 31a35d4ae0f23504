# MoSI pretraining of ViT-S/16 on frames of HMDB51, 8 GPUs.
_base_ = [
    '_base_/models/mosi_vit.py',
    '_base_/datasets/mosi_hmdb51.py',
    '_base_/schedules/adamw_cosine.py',
    '_base_/default_runtime.py',
]
