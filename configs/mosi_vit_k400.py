# MoSI pretraining of ViT-S/16 on frames of Kinetics-400, 8 GPUs.
_base_ = [
    '_base_/models/mosi_vit.py',
    '_base_/datasets/mosi_k400.py',
    '_base_/schedules/adamw_20e.py',
    '_base_/default_runtime.py',
]
