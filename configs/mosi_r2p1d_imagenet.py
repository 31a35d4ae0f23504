# MoSI pretraining of R(2+1)D-10 (stock) on photographs, 8 GPUs.
_base_ = [
    '_base_/models/mosi_r2p1d.py',
    '_base_/datasets/mosi_images.py',
    '_base_/schedules/adam_cosine.py',
    '_base_/default_runtime.py',
]
