"""Change the pretext task of a config in one call."""

from collections.abc import Sequence
from typing import Any, cast

from mmengine.config import Config

from .walk import find_pipelines, find_step, set_step, walk

#: Arguments that DrawPseudoMotion and MoSIHead share.
_POOL = ('num_speeds', 'axes', 'decoupled', 'static', 'motions', 'signed')

#: Further arguments of DrawPseudoMotion and of DrawStaticMask.
_PATH = ('ease', 'shake')
_MATTE = ('shape', 'soft', 'travels', 'num_distractors')


class _Keep:
    def __repr__(self) -> str:
        return 'KEEP'


#: Default of the arguments of :func:`set_motion` where None removes a step.
#: KEEP leaves the config's step unchanged.
KEEP: Any = _Keep()


def set_motion(
    cfg: dict,
    *,
    num_speeds: int | None = None,
    axes: str | None = None,
    decoupled: bool | None = None,
    static: bool | None = None,
    separate: bool | None = None,
    clip_len: int | None = None,
    crop_size: int | None = None,
    source_size: int | None = None,
    motions: Sequence[str] | None = None,
    signed: bool | None = None,
    ease: float | None = None,
    shake: float | None = None,
    shape: str | None = None,
    soft: float | None = None,
    travels: bool | None = None,
    num_distractors: int | None = None,
    static_mask: Any = KEEP,
    background: Any = KEEP,
    color_jitter: Any = KEEP,
) -> None:
    """Change the pseudo-motion of a config, in place.

    The training pipeline, the validation pipeline and the head are changed
    together. Omitted arguments change nothing. In a leaf config::

        _base_ = 'mosi_r2p1d_hmdb.py'

        from mosi_mmaction import set_motion

        set_motion(_base_, axes='x')

    Args:
        cfg: The config, or ``_base_`` inside a leaf.
        num_speeds: |S|, odd and at least 3.
        axes: ``'x'``, ``'y'`` or ``'xy'``.
        decoupled: False for all |S|² pairs of speeds.
        static: Whether standing still is a label.
        separate: Whether each axis has its own classifier.
        clip_len: Number of frames. The source image's side changes with it,
            which keeps the motion in pixels per frame (paper Table 2).
        crop_size: Side of the clips in pixels. The source image's side
            changes with it, which keeps the range of the motion.
        source_size: Side of the source image in pixels, if it should not be
            derived.
        motions: Kinds of motion, see :class:`~mosi_mmaction.LabelPool`.
        signed: Whether a motion and its mirror image have two labels.
        ease: Largest acceleration along the path.
        shake: Largest deviation from the path.
        shape: Shape of the static mask, see
            :class:`~mosi_mmaction.DrawStaticMask`.
        soft: Width of the mask's soft edge.
        travels: Whether the mask moves with its content.
        num_distractors: Number of shapes in the background.
        static_mask: Side of the static mask as a ratio of the crop's side, or
            (smallest, largest); None removes the mask.
        background: ``max_shift`` of
            :class:`~mosi_mmaction.DrawMovingBackground`, or a dict of its
            arguments; None freezes the background.
        color_jitter: Dict of the strengths of the colour jitter in training;
            None removes the jitter.

    Raises:
        ValueError: If there is nothing to change in the config.
    """
    pool = {
        k: v
        for k, v in zip(
            _POOL, (num_speeds, axes, decoupled, static, motions, signed)
        )
        if v is not None
    }
    path = {k: v for k, v in zip(_PATH, (ease, shake)) if v is not None}
    matte = {
        k: v
        for k, v in zip(_MATTE, (shape, soft, travels, num_distractors))
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
            'DrawPseudoMotion; is it a fine-tuning config?'
        )
    training = [
        id(pipeline)
        for pipeline in find_pipelines(
            {k: v for k, v in cfg.items() if k.startswith('train')}
        )
    ]
    for pipeline, motion in found:
        _set_sizes(pipeline, motion, clip_len, crop_size, source_size)
        motion.update(pool)
        motion.update(path)
        if static_mask is not KEEP:
            set_step(
                pipeline,
                'DrawStaticMask',
                None if static_mask is None else dict(side_ratio=static_mask),
            )
        if matte:
            _update_mask(pipeline, matte)
        if background is not KEEP:
            set_step(
                pipeline,
                'DrawMovingBackground',
                _background_options(background),
            )
        if color_jitter is not KEEP and (
            id(pipeline) in training or color_jitter is None
        ):
            set_step(pipeline, 'DrawColorJitter', color_jitter)
    for part in walk(cfg):
        if part.get('type') == 'MoSIHead':
            part.update(pool)
            if separate is not None:
                part['separate'] = separate
        if part.get('type') == 'DeadLeavesDataset' and (
            clip_len or crop_size or source_size
        ):
            source = find_step(part['pipeline'], 'CropSource')
            part['size'] = cast(dict, source)['size']


def set_layers(cfg: dict) -> None:
    """Pretrain on clips made of layers, in place (docs/layers.md).

    Shifts, zooms and swings with unsigned labels, which gained most in a
    study at tiny size; everything else as in the paper. In a leaf config::

        _base_ = 'mosi_r2p1d_hmdb.py'

        from mosi_mmaction import set_layers

        set_layers(_base_)

    Args:
        cfg: The config, or ``_base_`` inside a leaf. Call :func:`set_motion`
            afterwards to change single settings.

    Raises:
        ValueError: If this is not a pretraining config.
    """
    set_motion(cfg, motions=('shift', 'zoom', 'swing'), signed=False)


def _update_mask(pipeline: list, matte: dict) -> None:
    step = find_step(pipeline, 'DrawStaticMask')
    if step is None:
        raise ValueError(
            f'set_motion: {sorted(matte)} belong to the static mask, and a '
            'pipeline has none; also set static_mask=(0.3, 0.5)'
        )
    step.update(matte)


def _background_options(value: Any) -> dict | None:
    if value is None or isinstance(value, dict):
        return value
    return dict(max_shift=value)


def _set_sizes(
    pipeline: list,
    motion: dict,
    clip_len: int | None,
    crop_size: int | None,
    source_size: int | None,
) -> None:
    given = dict(
        clip_len=clip_len, crop_size=crop_size, source_size=source_size
    )
    names = [name for name, value in given.items() if value is not None]
    if not names:
        return
    source = find_step(pipeline, 'CropSource')
    if source is None:
        raise ValueError(
            f'set_motion.{names[0]}: a pipeline has no CropSource, '
            'which makes the source image as large as the motion requires'
        )
    room = source.get('size', 320) - motion.get('crop_size', 112)
    if clip_len is not None:
        room = round(room * (clip_len - 1) / (motion.get('clip_len', 16) - 1))
        motion['clip_len'] = clip_len
    if crop_size is not None:
        motion['crop_size'] = crop_size
    source['size'] = source_size or motion.get('crop_size', 112) + room
    for step in pipeline:
        if 'short_side' in step:
            step['short_side'] = source['size']


def render_on_device(cfg: dict | Config) -> None:
    """Move the rendering of a config to the device, in place.

    This removes ``RenderPseudoMotion`` from all pipelines and sets ``render``
    of the data preprocessor. In a leaf config::

        _base_ = 'mosi_r2p1d_hmdb.py'

        from mosi_mmaction import render_on_device

        render_on_device(_base_)

    Args:
        cfg: The config, or ``_base_`` inside a leaf.

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
            f'render_on_device: this config has no {missing}; is it a '
            'fine-tuning config, or does it already render on the device?'
        )
    for pipeline in pipelines:
        # The same list may occur in several places of a config.
        step = find_step(pipeline, 'RenderPseudoMotion')
        if step is not None:
            pipeline.remove(step)
    for preprocessor in preprocessors:
        preprocessor['render'] = True
