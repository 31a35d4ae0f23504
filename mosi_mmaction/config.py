"""Find our configs from anywhere, and change them in one line."""

import copy
import os.path as osp
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from mmengine.config import Config

_CONFIGS = Path(__file__).resolve().parent / '.mim' / 'configs'

#: Arguments that DrawPseudoMotion and MoSIHead share.
_POOL = ('num_speeds', 'axes', 'decoupled', 'static', 'motions', 'signed')

#: Further arguments of DrawPseudoMotion and of DrawStaticMask.
_PATH = ('ease', 'shake')
_MATTE = ('shape', 'soft', 'travels', 'num_distractors')

#: The steps that draw a plan, in the order in which they have to stand.
_DRAWING = (
    'DrawPseudoMotion',
    'DrawStaticMask',
    'DrawMovingBackground',
    'DrawColorJitter',
)

#: What the two transforms of a decoder, Init and Decode, begin with.
_DECODERS = {'decord': 'Decord', 'pyav': 'PyAV', 'video': 'Video'}

#: What a config that only tests must not have.
_TRAINING = (
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'val_dataloader',
    'val_cfg',
    'val_evaluator',
)


def config_path(name: str) -> str:
    """Return the path of a config that came with the package.

    In another project's config::

        _base_ = [__import__('mosi_mmaction').config_path(
            'mosi_r2p1d_hmdb')]

    Args:
        name: Path below ``configs``, with or without ``.py``.

    Raises:
        FileNotFoundError: If there is no such config; with those there are.
    """
    path = _CONFIGS / (name if name.endswith('.py') else name + '.py')
    if not path.is_file():
        there = sorted(
            p.relative_to(_CONFIGS).with_suffix('').as_posix()
            for p in _CONFIGS.rglob('*.py')
            if '_base_' not in p.parts
        )
        raise FileNotFoundError(
            f'no config {name!r} in mosi_mmaction; there are: '
            f'{", ".join(there)}'
        )
    return str(path)


def find_config(config: str) -> str:
    """Return the path of what a user gave as CONFIG.

    Args:
        config: Path of any config file, or a name for :func:`config_path`.

    Raises:
        FileNotFoundError: If it is neither; with the names there are.
    """
    if osp.isfile(config):
        return config
    try:
        return config_path(config)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'there is no file {config!r}, and {error}'
        ) from None


def set_motion(
    cfg: dict,
    *,
    num_speeds: int | None = None,
    axes: str | None = None,
    decoupled: bool | None = None,
    static: bool | None = None,
    separate: bool | None = None,
    clip_len: int | None = None,
    motions: Sequence[str] | None = None,
    signed: bool | None = None,
    ease: float | None = None,
    shake: float | None = None,
    shape: str | None = None,
    soft: float | None = None,
    travels: bool | None = None,
    num_distractors: int | None = None,
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
        motions: Kinds of motion, see :class:`~mosi_mmaction.LabelPool`.
        signed: Whether a motion and its mirror image have two labels.
        ease: Largest acceleration along the path.
        shake: Largest deviation from the path.
        shape: Shape of the static mask, see
            :class:`~mosi_mmaction.DrawStaticMask`.
        soft: Width of its soft edge.
        travels: Whether it goes with its content.
        num_distractors: Number of shapes in the background.
        **others: ``static_mask``: None takes the mask away, a ratio or
            (smallest, largest) sets its side; ``background``: None freezes
            it, a number sets ``max_shift`` of
            :class:`~mosi_mmaction.DrawMovingBackground`, a dict all its
            arguments; ``color_jitter``: None takes it away, a dict sets its
            strengths in training.

    Raises:
        ValueError: If there is nothing to change in the config, or an
            argument is not known.
    """
    unknown = set(others) - {'static_mask', 'background', 'color_jitter'}
    if unknown:
        raise ValueError(
            f'set_motion: unknown {sorted(unknown)}; there are '
            f'{[*_POOL, "separate", "clip_len", *_PATH, *_MATTE]}, '
            "'static_mask', 'background' and 'color_jitter'"
        )
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
        for pipeline in _lists(cfg)
        if (motion := _find(pipeline, 'DrawPseudoMotion'))
    ]
    if not found:
        raise ValueError(
            'set_motion: no pipeline of this config has a '
            'DrawPseudoMotion; is it one of fine-tuning?'
        )
    training = [
        id(pipeline)
        for pipeline in _lists(
            {k: v for k, v in cfg.items() if k.startswith('train')}
        )
    ]
    for pipeline, motion in found:
        if clip_len is not None:
            _set_clip_len(pipeline, motion, clip_len)
        motion.update(pool)
        motion.update(path)
        if 'static_mask' in others:
            ratio = others['static_mask']
            _set_step(
                pipeline,
                'DrawStaticMask',
                None if ratio is None else dict(side_ratio=ratio),
            )
        if matte:
            _update_mask(pipeline, matte)
        if 'background' in others:
            _set_step(
                pipeline,
                'DrawMovingBackground',
                _background_options(others['background']),
            )
        if 'color_jitter' in others and (
            id(pipeline) in training or others['color_jitter'] is None
        ):
            _set_step(pipeline, 'DrawColorJitter', others['color_jitter'])
    for head in walk(cfg):
        if head.get('type') == 'MoSIHead':
            head.update(pool)
            if separate is not None:
                head['separate'] = separate


def set_epochs(cfg: dict, epochs: int) -> None:
    """Change the length of an epoch-based run and of its schedule, in place.

    Warm-up stays; the last schedule ends with the run.

    Args:
        cfg: The config, or ``_base_`` inside of a leaf.
        epochs: Number of epochs.

    Raises:
        ValueError: If the warm-up alone is longer.
    """
    *warmup, last = cfg['param_scheduler']
    begin = last.get('begin', 0)
    if epochs <= begin:
        raise ValueError(
            f'set_epochs: {epochs} epochs leave none after the '
            f'warm-up of {begin}'
        )
    last['end'] = epochs
    if 'T_max' in last:
        last['T_max'] = epochs - begin
    cfg['train_cfg']['max_epochs'] = epochs
    if 'max_epochs' in cfg:
        cfg['max_epochs'] = epochs


def set_videos(cfg: dict, videos: str, lists: str) -> None:
    """Fine-tune on a folder of videos of one's own, in place.

    The number of classes becomes the number of lines of ``classes.txt``.
    tools/data/split_videos.py writes the lists, and a config with this call.

    Args:
        cfg: A config of fine-tuning, or ``_base_`` inside of a leaf.
        videos: Folder that the paths of the lists are relative to.
        lists: Folder of ``train.txt`` and ``test.txt``, a line ``path label``
            for every video, and of ``classes.txt``, a name a line in the
            order of the labels.

    Raises:
        FileNotFoundError: If a list is not there.
        ValueError: If the config has no classifier of videos.
    """
    files = [Path(lists) / f'{n}.txt' for n in ('train', 'test', 'classes')]
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(
                f'set_videos: there is no {path}; tools/data/split_videos.py '
                'writes it'
            )
    head = cfg.get('model', {}).get('cls_head', {})
    if 'num_classes' not in head:
        raise ValueError(
            'set_videos: model.cls_head has no num_classes; is '
            'the config one of fine-tuning?'
        )
    names = files[2].read_text(encoding='utf-8').splitlines()
    head['num_classes'] = len([n for n in names if n.strip()])
    for part, path in (
        ('train', files[0]),
        ('val', files[1]),
        ('test', files[1]),
    ):
        cfg[f'{part}_dataloader']['dataset'].update(
            ann_file=str(path), data_prefix=dict(video=str(videos))
        )


def set_decoder(cfg: dict, name: str) -> None:
    """Choose what decodes the videos of a fine-tuning config, in place.

    Ours needs no choice: it takes decord, or PyAV where that is missing.
    MMAction2's are for its own tools, such as the inferencer. In a leaf
    config::

        _base_ = 'finetune_r2p1d_hmdb.py'
        __import__('mosi_mmaction').set_decoder(_base_, 'pyav')

    Args:
        cfg: The config, or ``_base_`` inside of a leaf.
        name: ``'decord'`` or ``'pyav'``, both MMAction2's; ``'video'`` for
            our :class:`~mosi_mmaction.VideoInit`.

    Raises:
        ValueError: If the name is not known or no pipeline decodes a video.
    """
    if name not in _DECODERS:
        raise ValueError(
            f'set_decoder: {name!r} is unknown; there are {sorted(_DECODERS)}'
        )
    kinds = {
        first + kind: kind
        for first in _DECODERS.values()
        for kind in ('Init', 'Decode')
    }
    steps = [step for step in walk(cfg) if step.get('type') in kinds]
    if not steps:
        raise ValueError(
            'set_decoder: no pipeline of this config decodes '
            'videos; is it one of pretraining? That takes PyAV '
            'by itself where decord is missing'
        )
    for step in steps:
        # Arguments are kept where both have them.
        new = dict(type=_DECODERS[name] + kinds[step['type']])
        if name != 'video':
            new.update(
                (k, step[k]) for k in ('io_backend', 'mode') if k in step
            )
        step.clear()
        step.update(new)


def set_three_crops(cfg: dict) -> None:
    """Test three crops of every clip instead of the centre, in place.

    The frame's longer side is cut into a left, a right and a middle square
    (MMAction2's ``ThreeCrop``), and the middle of each is taken, at the size
    the config crops. The third crop is therefore the usual centre crop.

    Args:
        cfg: The config, or ``_base_`` inside of a leaf.

    Raises:
        ValueError: If the test pipeline does not resize the short side and
            take a centre crop.
    """
    pipeline = cfg['test_dataloader']['dataset'].get('pipeline', [])
    resize, crop = _find(pipeline, 'Resize'), _find(pipeline, 'CenterCrop')
    if resize is None or crop is None or resize['scale'][0] != -1:
        raise ValueError(
            'set_three_crops: test_dataloader.dataset.pipeline needs '
            'Resize(scale=(-1, SIDE)) and then CenterCrop'
        )
    # Other data loaders may hold the very same list.
    pipeline = copy.deepcopy(pipeline)
    at = pipeline.index(_find(pipeline, 'CenterCrop'))
    pipeline.insert(at, dict(type='ThreeCrop', crop_size=resize['scale'][1]))
    cfg['test_dataloader'] = copy.deepcopy(cfg['test_dataloader'])
    cfg['test_dataloader']['dataset']['pipeline'] = pipeline


def set_retrieval(cfg: dict) -> None:
    """Turn a fine-tuning config into one of retrieval and k-NN, in place.

    Nothing is trained: the test videos are looked up among the training
    videos by the backbone's features, both through the test pipeline. For
    tools/test.py with a pretrained checkpoint.

    Args:
        cfg: The config, or ``_base_`` inside of a leaf.

    Raises:
        ValueError: If it does not train and test on lists of videos.
    """
    query = cfg['test_dataloader']['dataset']
    gallery = cfg['train_dataloader']['dataset']
    if not (
        'ann_file' in query
        and 'ann_file' in gallery
        and _find(query['pipeline'], 'PackActionInputs')
    ):
        raise ValueError(
            'set_retrieval: train_dataloader.dataset and '
            'test_dataloader.dataset need an ann_file each, and the test '
            'pipeline PackActionInputs; is the config one of fine-tuning?'
        )
    datasets = []
    for role, dataset in (('gallery', gallery), ('query', query)):
        pipeline = copy.deepcopy(query['pipeline'])
        pipeline.insert(0, dict(type='SetRole', role=role))
        pack = cast(dict, _find(pipeline, 'PackActionInputs'))
        pack['meta_keys'] = ('role',)
        datasets.append(dict(dataset, pipeline=pipeline, test_mode=True))
    cfg['test_dataloader'] = dict(
        copy.deepcopy(cfg['test_dataloader']),
        dataset=dict(type='ConcatDataset', datasets=datasets),
    )
    cfg['test_evaluator'] = dict(type='NearestNeighborMetric')
    cfg['model']['cls_head'] = dict(type='PooledFeatureHead')
    for key in _TRAINING:
        cfg[key] = None


def _set_clip_len(pipeline: list, motion: dict, clip_len: int) -> None:
    crop = motion.get('crop_size', 112)
    gaps = motion.get('clip_len', 16) - 1
    source = _find(pipeline, 'CropSource')
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


def _set_step(pipeline: list, kind: str, value: dict | None) -> None:
    step = _find(pipeline, kind)
    if value is None:
        if step is not None:
            pipeline.remove(step)
        return
    new = dict(value)
    if step is not None:
        step.update(new)
    else:
        before = _DRAWING[: _DRAWING.index(kind)]
        at = max(i for i, s in enumerate(pipeline) if s.get('type') in before)
        pipeline.insert(at + 1, dict(type=kind, **new))


def _update_mask(pipeline: list, matte: dict) -> None:
    step = _find(pipeline, 'DrawStaticMask')
    if step is None:
        raise ValueError(
            f'set_motion: {sorted(matte)} are of the static mask, and a '
            'pipeline has none; give static_mask=(0.3, 0.5), too'
        )
    step.update(matte)


def _background_options(value: Any) -> dict | None:
    if value is None or isinstance(value, dict):
        return value
    return dict(max_shift=value)


def _find(pipeline: list, kind: str) -> dict | None:
    return next(
        (s for s in pipeline if isinstance(s, dict) and s.get('type') == kind),
        None,
    )


def walk(node: Any) -> Iterator[dict]:
    """Yield every dict of a config, outer ones first."""
    if isinstance(node, (dict, Config)):  # a Config is no dict
        yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from walk(child)


def _lists(node: Any) -> Iterator[list]:
    for holder in walk(node):
        yield from (v for v in holder.values() if isinstance(v, list))
