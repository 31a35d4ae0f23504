"""Where source images come from, and the random stream each one gets."""

from .action_video import ActionVideoDataset
from .dead_leaves import DeadLeavesDataset
from .samplers.epoch_sampler import EpochIndex, EpochSampler
from .source_image import SourceImageDataset

__all__ = [
    'ActionVideoDataset',
    'DeadLeavesDataset',
    'EpochIndex',
    'EpochSampler',
    'SourceImageDataset',
]
