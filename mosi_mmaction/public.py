"""All public names; importing them registers the package's classes."""

from .compat.engine import apply as apply_to_mmengine

apply_to_mmengine()  # before anything else imports mmengine

from .compat.imports import apply

apply()  # before anything imports mmaction.models

from .checkpoints.zoo import load_backbone, zoo_entries
from .config.clips import set_clips
from .config.finetuning import (
    set_decoder,
    set_linear_probe,
    set_retrieval,
    set_three_crops,
    set_videos,
)
from .config.lookup import config_path
from .config.pretraining import render_on_device, set_layers, set_motion
from .config.running import fast_recipe, set_epochs
from .datasets import ActionVideoDataset, DeadLeavesDataset, SourceImageDataset
from .datasets.samplers import EpochSampler, RoundBatchSampler
from .datasets.transforms import (
    ClipColorJitter,
    CropSource,
    DrawColorJitter,
    DrawMovingBackground,
    DrawPseudoMotion,
    DrawStaticMask,
    DriftingCrop,
    LoadSourceFrame,
    LoadSourceImage,
    PackMoSIInputs,
    RenderPseudoMotion,
    SampleFramesAtRate,
    SeedSample,
    SetRole,
    VideoDecode,
    VideoInit,
)
from .engine.autocast import AutocastOptimWrapper
from .engine.hooks import (
    AutocastHook,
    CheckChannelsHook,
    CheckLabelsHook,
    CheckLoadedHook,
    DeferredRuntimeInfoHook,
    DeterministicHook,
    FastModelHook,
    FreezeHook,
    RecordHook,
    SafeCheckpointHook,
    StepTimeHook,
    StreamHook,
    UploadAheadHook,
)
from .engine.runner import RoundTrainLoop
from .engine.schedulers import WarmupCosineLR
from .evaluation.metrics import MoSIMetric, NearestNeighborMetric
from .method.color import ColorJitter, ColorParams
from .method.draw_layers import draw_moving_background
from .method.motion import (
    LabelPool,
    PseudoMotion,
    draw_color_jitter,
    draw_motion,
    draw_static_mask,
    render,
)
from .method.render_torch import render_batch
from .models.backbones import MoSIResNet2Plus1d, ResNet2d3d
from .models.data_preprocessors import MoSIDataPreprocessor
from .models.heads import MoSIHead, PooledFeatureHead
from .structures import MoSIDataSample, mosi_collate
from .version import __version__

__all__ = [
    'ActionVideoDataset',
    'AutocastHook',
    'AutocastOptimWrapper',
    'CheckChannelsHook',
    'CheckLabelsHook',
    'CheckLoadedHook',
    'ClipColorJitter',
    'ColorJitter',
    'ColorParams',
    'CropSource',
    'DeadLeavesDataset',
    'DrawColorJitter',
    'DrawMovingBackground',
    'DrawPseudoMotion',
    'DrawStaticMask',
    'DriftingCrop',
    'DeferredRuntimeInfoHook',
    'DeterministicHook',
    'EpochSampler',
    'FastModelHook',
    'FreezeHook',
    'LabelPool',
    'LoadSourceFrame',
    'LoadSourceImage',
    'MoSIDataPreprocessor',
    'MoSIDataSample',
    'MoSIHead',
    'MoSIMetric',
    'MoSIResNet2Plus1d',
    'NearestNeighborMetric',
    'PackMoSIInputs',
    'PooledFeatureHead',
    'PseudoMotion',
    'RecordHook',
    'RenderPseudoMotion',
    'ResNet2d3d',
    'RoundBatchSampler',
    'RoundTrainLoop',
    'SafeCheckpointHook',
    'SampleFramesAtRate',
    'SeedSample',
    'SetRole',
    'SourceImageDataset',
    'StepTimeHook',
    'StreamHook',
    'UploadAheadHook',
    'VideoDecode',
    'VideoInit',
    'WarmupCosineLR',
    '__version__',
    'config_path',
    'draw_color_jitter',
    'draw_motion',
    'draw_moving_background',
    'draw_static_mask',
    'fast_recipe',
    'load_backbone',
    'mosi_collate',
    'render',
    'render_batch',
    'render_on_device',
    'set_clips',
    'set_decoder',
    'set_epochs',
    'set_layers',
    'set_linear_probe',
    'set_motion',
    'set_retrieval',
    'set_three_crops',
    'set_videos',
    'zoo_entries',
]
