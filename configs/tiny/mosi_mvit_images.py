# A tiny MViTv2 on a directory of photographs or videos.
_base_ = [
    '../_base_/models/tiny_mosi_mvit.py',
    '../_base_/datasets/tiny_images.py',
    '../_base_/schedules/tiny_adamw.py',
    '../_base_/tiny_runtime.py',
]
