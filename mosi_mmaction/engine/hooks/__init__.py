"""Hooks, one duty a file."""

from .autocast import AutocastHook
from .check_channels import CheckChannelsHook
from .check_labels import CheckLabelsHook
from .check_loaded import CheckLoadedHook
from .deferred_scalars import DeferredRuntimeInfoHook
from .deterministic import DeterministicHook
from .fast_model import FastModelHook
from .follow_schedule import FollowScheduleHook
from .freeze import FreezeHook
from .record import RecordHook
from .safe_checkpoint import SafeCheckpointHook
from .streams import StreamHook
from .upload_ahead import UploadAheadHook

__all__ = [
    'AutocastHook',
    'DeferredRuntimeInfoHook',
    'DeterministicHook',
    'CheckChannelsHook',
    'CheckLabelsHook',
    'CheckLoadedHook',
    'FastModelHook',
    'FollowScheduleHook',
    'FreezeHook',
    'RecordHook',
    'SafeCheckpointHook',
    'StreamHook',
    'UploadAheadHook',
]
