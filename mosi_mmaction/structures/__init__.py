"""Data samples of many labelled clips, and batches of them."""

from .batch import MoSIDataSample, mosi_collate

__all__ = ['MoSIDataSample', 'mosi_collate']
