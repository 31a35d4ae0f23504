"""Datasets of source images and videos, and the random stream of a sample."""

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
