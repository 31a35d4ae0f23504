# Labelled videos at small size: 16 frames, every 2nd, of 64^2; 10 clips of the
# whole frame at test. Leaf configs set the paths of the videos and lists.
_base_ = 'tiny_finetune.py'

from mosi_mmaction import set_clips

set_clips(_base_, clip_len=16, frame_interval=2, size=64)

# Results of this size were made with batches sent sample by sample.
_base_['train_dataloader'].pop('collate_fn')
_base_['val_dataloader'].pop('collate_fn')
_base_['test_dataloader'].pop('collate_fn')
