"""Metrics, one per file."""

from .mosi_metric import MoSIMetric
from .nearest_neighbor_metric import NearestNeighborMetric

__all__ = ['MoSIMetric', 'NearestNeighborMetric']
