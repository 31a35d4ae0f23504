"""A sample of many labelled clips, and batches of samples."""

from .batch import MoSIDataSample, mosi_collate

__all__ = ['MoSIDataSample', 'mosi_collate']
