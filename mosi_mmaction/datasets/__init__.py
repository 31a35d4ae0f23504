"""Where source images come from, and the random stream each one gets."""

from .action_video import ActionVideoDataset
from .dead_leaves import DeadLeavesDataset
from .source_image import SourceImageDataset
from .streams import EpochIndex, EpochSampler

__all__ = [
    'ActionVideoDataset',
    'DeadLeavesDataset',
    'EpochIndex',
    'EpochSampler',
    'SourceImageDataset',
]
