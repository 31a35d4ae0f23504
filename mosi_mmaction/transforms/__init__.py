"""The registered pipeline transforms. Thin: they call motion and color."""

from .finetune import ClipColorJitter, DriftingCrop, SetRole
from .loading import LoadSourceFrame, LoadSourceImage
from .motion import (
    DrawColorJitter,
    DrawMovingBackground,
    DrawPseudoMotion,
    DrawStaticMask,
    PackMoSIInputs,
    RenderPseudoMotion,
)
from .source import CropSource
from .streams import SeedSample
from .video import VideoDecode, VideoInit

__all__ = [
    'ClipColorJitter',
    'CropSource',
    'DrawColorJitter',
    'DrawMovingBackground',
    'DrawPseudoMotion',
    'DrawStaticMask',
    'DriftingCrop',
    'LoadSourceFrame',
    'LoadSourceImage',
    'PackMoSIInputs',
    'RenderPseudoMotion',
    'SeedSample',
    'SetRole',
    'VideoDecode',
    'VideoInit',
]
