"""Data preprocessors, which turn a batch into the network's input."""

from .mosi_data_preprocessor import MoSIDataPreprocessor

__all__ = ['MoSIDataPreprocessor']
