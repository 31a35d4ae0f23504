"""Heads, one a file."""

from .mosi_head import MoSIHead
from .pooled_feature_head import PooledFeatureHead

__all__ = ['MoSIHead', 'PooledFeatureHead']
