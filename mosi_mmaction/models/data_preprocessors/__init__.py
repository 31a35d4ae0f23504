"""From the batch to what the network takes."""

from .mosi_data_preprocessor import MoSIDataPreprocessor

__all__ = ['MoSIDataPreprocessor']
