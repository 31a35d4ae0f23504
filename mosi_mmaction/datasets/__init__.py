"""Where source images come from, and the random stream each one gets."""

from .action_video import ActionVideoDataset
from .class_balanced import ClassBalancedDataset
from .dead_leaves import DeadLeavesDataset
from .samplers.epoch_sampler import EpochIndex, EpochSampler
from .source_image import SourceImageDataset

__all__ = [
    'ActionVideoDataset',
    'ClassBalancedDataset',
    'DeadLeavesDataset',
    'EpochIndex',
    'EpochSampler',
    'SourceImageDataset',
]
