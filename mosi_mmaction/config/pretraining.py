"""Change the pretext task of a whole config in one line."""

from typing import Any

from mmengine.config import Config

from .tree import find_pipelines, find_step, set_step, walk

#: Arguments that DrawPseudoMotion and MoSIHead share.
_POOL = ('num_speeds', 'axes', 'decoupled', 'static')


def set_motion(
    cfg: dict,
    *,
    num_speeds: int | None = None,
    axes: str | None = None,
    decoupled: bool | None = None,
    static: bool | None = None,
    separate: bool | None = None,
    clip_len: int | None = None,
    **others: Any,
) -> None:
    """Change the pseudo-motion of a whole config, in place.

    Reaches the training pipeline, the validation pipeline and the head
    together. In a leaf config::

        _base_ = 'mosi_r2p1d_hmdb.py'
        __import__('mosi_mmaction').set_motion(_base_, axes='x')

    Args:
        cfg: The config, or ``_base_`` inside of a leaf.
        num_speeds: |S|, odd and at least 3.
        axes: ``'x'``, ``'y'`` or ``'xy'``.
        decoupled: False for all |S|² pairs of speeds.
        static: Whether standing still is a label.
        separate: Whether each axis has a classifier of its own.
        clip_len: Number of frames. The source image's side follows, so
            that the motion in pixels a frame stays (paper Table 2).
        **others: ``static_mask``: None takes the mask away, a ratio or
            (smallest, largest) sets its side; ``color_jitter``: None takes
            it away, a dict sets its strengths in training.

    Raises:
        ValueError: If there is nothing to change in the config, or an
            argument is not known.
    """
    unknown = set(others) - {'static_mask', 'color_jitter'}
    if unknown:
        raise ValueError(
            f'set_motion: unknown {sorted(unknown)}; there are '
            f'{[*_POOL, "separate", "clip_len", "static_mask"]} and '
            "'color_jitter'"
        )
    pool = {
        k: v
        for k, v in zip(_POOL, (num_speeds, axes, decoupled, static))
        if v is not None
    }
    found = [
        (pipeline, motion)
        for pipeline in find_pipelines(cfg)
        if (motion := find_step(pipeline, 'DrawPseudoMotion'))
    ]
    if not found:
        raise ValueError(
            'set_motion: no pipeline of this config has a '
            'DrawPseudoMotion; is it one of fine-tuning?'
        )
    training = [
        id(pipeline)
        for pipeline in find_pipelines(
            {k: v for k, v in cfg.items() if k.startswith('train')}
        )
    ]
    for pipeline, motion in found:
        if clip_len is not None:
            _set_clip_len(pipeline, motion, clip_len)
        motion.update(pool)
        if 'static_mask' in others:
            ratio = others['static_mask']
            set_step(
                pipeline,
                'DrawStaticMask',
                None if ratio is None else dict(side_ratio=ratio),
            )
        if 'color_jitter' in others and (
            id(pipeline) in training or others['color_jitter'] is None
        ):
            set_step(pipeline, 'DrawColorJitter', others['color_jitter'])
    for head in walk(cfg):
        if head.get('type') == 'MoSIHead':
            head.update(pool)
            if separate is not None:
                head['separate'] = separate


def _set_clip_len(pipeline: list, motion: dict, clip_len: int) -> None:
    crop = motion.get('crop_size', 112)
    gaps = motion.get('clip_len', 16) - 1
    source = find_step(pipeline, 'CropSource')
    if source is None:
        raise ValueError(
            'set_motion.clip_len: a pipeline has no CropSource, '
            'whose size follows the number of frames'
        )
    room = source.get('size', 320) - crop
    source['size'] = crop + round(room * (clip_len - 1) / gaps)
    for step in pipeline:
        if 'short_side' in step:
            step['short_side'] = source['size']
    motion['clip_len'] = clip_len


def render_on_device(cfg: dict | Config) -> None:
    """Move the rendering of a whole config to the device, in place.

    Takes ``RenderPseudoMotion`` out of all pipelines and sets ``render`` of
    the data preprocessor. In a leaf config::

        _base_ = 'mosi_r2p1d_hmdb.py'
        __import__('mosi_mmaction').render_on_device(_base_)

    Args:
        cfg: The config, or ``_base_`` inside of a leaf.

    Raises:
        ValueError: If the config has no rendering pipeline, or no
            MoSIDataPreprocessor that could take over.
    """
    cfg = getattr(cfg, '_cfg_dict', cfg)
    pipelines = [
        p for p in find_pipelines(cfg) if find_step(p, 'RenderPseudoMotion')
    ]
    preprocessors = [
        d for d in walk(cfg) if d.get('type') == 'MoSIDataPreprocessor'
    ]
    if not pipelines or not preprocessors:
        missing = (
            'pipeline with RenderPseudoMotion'
            if not pipelines
            else 'MoSIDataPreprocessor'
        )
        raise ValueError(
            f'render_on_device: this config has no {missing}; is it one of '
            'fine-tuning, or does it render on the device already?'
        )
    for pipeline in pipelines:
        # One list may stand in several places of a config.
        step = find_step(pipeline, 'RenderPseudoMotion')
        if step is not None:
            pipeline.remove(step)
    for preprocessor in preprocessors:
        preprocessor['render'] = True
