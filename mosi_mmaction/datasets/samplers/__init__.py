"""Samplers that carry seed and epoch to the dataset."""

from .epoch_sampler import EpochIndex, EpochSampler, sample_rng
from .round_batch_sampler import RoundBatchSampler

__all__ = ['EpochIndex', 'EpochSampler', 'RoundBatchSampler', 'sample_rng']
