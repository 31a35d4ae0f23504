"""Change the clips of a fine-tuning config in one call."""

from typing import Any

import numpy as np

from .walk import SAMPLING, find_pipelines, is_sampling

#: Transforms that change the size of frames, and their arguments for it.
_SIZES = {
    'Resize': 'scale',
    'RandomCrop': 'size',
    'CenterCrop': 'crop_size',
    'ThreeCrop': 'crop_size',
    'TenCrop': 'crop_size',
    'MultiScaleCrop': 'input_size',
}


def set_clips(
    cfg: dict,
    *,
    clip_len: int | None = None,
    frame_interval: int | None = None,
    size: int | None = None,
) -> None:
    """Change the clips of a fine-tuning config in all pipelines, in place.

    Omitted arguments change nothing. In a leaf config::

        _base_ = 'finetune_r2p1d_hmdb.py'

        from mosi_mmaction import set_clips

        set_clips(_base_, clip_len=8, size=96)

    Args:
        cfg: The config, or ``_base_`` inside a leaf.
        clip_len: Number of frames.
        frame_interval: Distance between consecutive frames of a clip, in
            frames of the video.
        size: Side of the clips in pixels. Resizing before a centre crop is
            scaled with it, which keeps the crop's share of the frame.

    Raises:
        ValueError: If no pipeline samples frames.
    """
    pipelines = {
        id(pipeline): pipeline
        for pipeline in find_pipelines(cfg)
        if any(is_sampling(step) for step in pipeline)
    }
    if not pipelines:
        raise ValueError(
            f'set_clips: no pipeline of this config has any of {SAMPLING}. '
            'Is it a pretraining config? set_motion sets its clip_len and '
            'crop_size'
        )
    sampled = dict(clip_len=clip_len, frame_interval=frame_interval)
    sampled = {k: v for k, v in sampled.items() if v is not None}
    for pipeline in pipelines.values():
        for step in filter(is_sampling, pipeline):
            step.update(sampled)
        if size is not None:
            _set_size(pipeline, size)


def _set_size(pipeline: list, size: int) -> None:
    # The last of these steps makes the clips' size; those before it keep
    # their ratio to it.
    found = [
        (step, _SIZES[step['type']])
        for step in pipeline
        if isinstance(step, dict) and step.get('type') in _SIZES
    ]
    if not found:
        return
    last, key = found[-1]
    share = size / np.max(last[key])
    for step, key in found:
        step[key] = _scaled(step[key], share)


def _scaled(sides: Any, share: float) -> Any:
    if isinstance(sides, (list, tuple)):
        return tuple(_scaled(side, share) for side in sides)
    return sides if sides == -1 else round(sides * share)
