"""Samplers that carry seed and epoch to the dataset."""

from .epoch_sampler import EpochIndex, EpochSampler, sample_rng

__all__ = ['EpochIndex', 'EpochSampler', 'sample_rng']
