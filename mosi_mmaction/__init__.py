"""MoSI for MMAction2: teach video networks motion from still images.

Importing the package registers everything of it into MMAction2's own
registries, so that ``custom_imports=dict(imports=['mosi_mmaction'])`` is
all that a config needs.
"""

from . import compat

compat.apply()  # before anything imports mmaction.models

from .amp import AutocastOptimWrapper  # noqa: E402
from .backbones import MoSIResNet2Plus1d, ResNet2d3d  # noqa: E402
from .batch import MoSIDataSample, mosi_collate  # noqa: E402
from .checkpoint import SafeCheckpointHook  # noqa: E402
from .color import ColorJitter, ColorParams  # noqa: E402
from .config import (  # noqa: E402
    config_path,
    set_decoder,
    set_epochs,
    set_motion,
    set_retrieval,
    set_three_crops,
    set_videos,
)
from .datasets import (  # noqa: E402
    ActionVideoDataset,
    DeadLeavesDataset,
    EpochSampler,
    SourceImageDataset,
)
from .device import render_batch, render_on_device  # noqa: E402
from .engine.hooks import AutocastHook, DeterministicHook  # noqa: E402
from .fast import FastModelHook, fast_recipe  # noqa: E402
from .head import MoSIHead, PooledFeatureHead  # noqa: E402
from .hooks import (  # noqa: E402
    CheckLabelsHook,
    CheckLoadedHook,
    RecordHook,
    StreamHook,
)
from .method.layers import draw_moving_background  # noqa: E402
from .metrics import MoSIMetric, NearestNeighborMetric  # noqa: E402
from .motion import (  # noqa: E402
    LabelPool,
    PseudoMotion,
    draw_color_jitter,
    draw_motion,
    draw_static_mask,
    render,
)
from .preprocessor import MoSIDataPreprocessor  # noqa: E402
from .transforms import (  # noqa: E402
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
    SeedSample,
    SetRole,
    VideoDecode,
    VideoInit,
)
from .version import __version__  # noqa: E402
from .zoo import load_backbone, zoo_entries  # noqa: E402

__all__ = [
    'ActionVideoDataset',
    'AutocastHook',
    'AutocastOptimWrapper',
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
    'DeterministicHook',
    'EpochSampler',
    'FastModelHook',
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
    'SafeCheckpointHook',
    'SeedSample',
    'SetRole',
    'SourceImageDataset',
    'StreamHook',
    'VideoDecode',
    'VideoInit',
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
    'set_decoder',
    'set_epochs',
    'set_motion',
    'set_retrieval',
    'set_three_crops',
    'set_videos',
    'zoo_entries',
]
