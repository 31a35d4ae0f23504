# A tiny MViTv2 on a folder of photographs, or of videos.
_base_ = [
    '../_base_/models/tiny_mosi_mvit.py',
    '../_base_/datasets/tiny_images.py',
    '../_base_/schedules/tiny_adamw.py',
    '../_base_/tiny_runtime.py',
]
