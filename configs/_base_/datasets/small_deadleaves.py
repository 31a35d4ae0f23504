# Computer-drawn dead leaves at small size: clips of 16 x 56^2 from 160^2, half
# the paper's side lengths, with the paper's masks.
_base_ = 'mosi_deadleaves.py'

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
