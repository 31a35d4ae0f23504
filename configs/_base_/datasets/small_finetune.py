# Labelled videos at small size: 16 frames, every 2nd, of 64^2; 10 clips of the
# whole frame at test. Leaf configs set the paths of the videos and lists.
_base_ = 'tiny_finetune.py'

from mosi_mmaction import set_clips

set_clips(_base_, clip_len=16, frame_interval=2, size=64)
