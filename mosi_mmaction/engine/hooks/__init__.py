"""Hooks, one duty a file."""

from .check_channels import CheckChannelsHook
from .check_labels import CheckLabelsHook
from .check_loaded import CheckLoadedHook
from .deferred_runtime_info import DeferredRuntimeInfoHook
from .deterministic_layers import DeterministicHook
from .evaluation_autocast import AutocastHook
from .fast_model import FastModelHook
from .freeze import FreezeHook
from .random_streams import StreamHook
from .record_origin import RecordHook
from .resumed_schedule import FollowScheduleHook
from .safe_checkpoint import SafeCheckpointHook
from .step_time import StepTimeHook
from .upload_ahead import UploadAheadHook

__all__ = [
    'AutocastHook',
    'CheckChannelsHook',
    'CheckLabelsHook',
    'CheckLoadedHook',
    'DeferredRuntimeInfoHook',
    'DeterministicHook',
    'FastModelHook',
    'FollowScheduleHook',
    'FreezeHook',
    'RecordHook',
    'SafeCheckpointHook',
    'StepTimeHook',
    'StreamHook',
    'UploadAheadHook',
]
