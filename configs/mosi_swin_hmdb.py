# MoSI pretraining of Video Swin-T on frames of HMDB51, 8 GPUs.
_base_ = [
    '_base_/models/mosi_swin.py',
    '_base_/datasets/mosi_hmdb51.py',
    '_base_/schedules/adamw_cosine.py',
    '_base_/default_runtime.py',
]
