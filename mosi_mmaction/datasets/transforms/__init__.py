"""The registered pipeline transforms, thin wrappers of method and media."""

from .crop import CropSource
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
from .sample_frames import SampleFramesAtRate
from .seeding import SeedSample
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
    'SampleFramesAtRate',
    'SeedSample',
    'SetRole',
    'VideoDecode',
    'VideoInit',
]
