"""All edits of configs, each one call below ``_base_`` in a leaf config."""

from .finetuning import (
    set_clips,
    set_decoder,
    set_linear_probe,
    set_retrieval,
    set_three_crops,
    set_videos,
)
from .lookup import config_path, find_config
from .pretraining import render_on_device, set_layers, set_motion
from .running import fast_recipe, set_epochs

__all__ = [
    'config_path',
    'fast_recipe',
    'find_config',
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
]
