"""Hooks, one duty a file."""

from .check_labels import CheckLabelsHook
from .check_loaded import CheckLoadedHook
from .fast_model import FastModelHook
from .record import RecordHook
from .safe_checkpoint import SafeCheckpointHook
from .streams import StreamHook

__all__ = [
    'CheckLabelsHook',
    'CheckLoadedHook',
    'FastModelHook',
    'RecordHook',
    'SafeCheckpointHook',
    'StreamHook',
]
