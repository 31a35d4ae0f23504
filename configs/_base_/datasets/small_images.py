# A directory of photographs at small size: clips of 16 x 56^2 from 160^2.
_base_ = 'tiny_images.py'

from mosi_mmaction import set_motion

set_motion(
    _base_,
    clip_len=16,
    crop_size=56,
    source_size=160,
    static_mask=(0.3, 0.5),
)

train_dataloader = dict(batch_size=5)
val_dataloader = dict(batch_size=5)
test_dataloader = val_dataloader
