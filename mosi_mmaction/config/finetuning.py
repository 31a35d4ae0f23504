"""Change the videos and the protocol of a whole config in one call."""

import copy
import logging
import os
from inspect import signature
from pathlib import Path
from typing import cast

from mmaction.registry import MODELS
from mmengine.logging import print_log

from .mirror import advice, mirror_map
from .running import set_epochs
from .walk import find_dataset, find_step, walk

#: Name prefix of the two transforms of a decoder, Init and Decode.
_DECODERS = {'decord': 'Decord', 'pyav': 'PyAV', 'video': 'Video'}

#: Backbones that freeze when they are built; MMAction2's freeze in train().
_FROZEN_WHEN_BUILT = ('MoSIResNet2Plus1d', 'ResNet2d3d')

#: Keys to remove from a test-only config.
_TRAINING = (
    'train_dataloader',
    'train_cfg',
    'optim_wrapper',
    'param_scheduler',
    'val_dataloader',
    'val_cfg',
    'val_evaluator',
)


def set_videos(
    cfg: dict, videos: str, lists: str, flip: bool | str | None = None
) -> None:
    """Fine-tune on a directory of your own videos, in place.

    The number of classes becomes the number of lines of ``classes.txt``.
    tools/data/split_videos.py writes the lists, and a config with this call.

    Args:
        cfg: Fine-tuning config, or ``_base_`` inside a leaf.
        videos: Directory that the paths of the lists are relative to.
        lists: Directory of ``train.txt`` and ``test.txt``, with a line
            ``path label`` for every video, and of ``classes.txt``, with one
            name per line in the order of the labels.
        flip: False removes horizontal flipping from the training pipeline.
            ``'swap'`` gives a flipped clip the label of its mirror image:
            that of the class whose name has right instead of left. True
            keeps flipping. None does, too, and warns where names of classes
            have left or right in them.

    Raises:
        FileNotFoundError: If a list does not exist.
        ValueError: If the config has no classifier of videos, or ``flip`` is
            none of these or does not fit the classes.
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
            'this a fine-tuning config?'
        )
    names = files[2].read_text(encoding='utf-8').splitlines()
    names = [name for name in names if name.strip()]
    head['num_classes'] = len(names)
    _set_flip(find_dataset(cfg, 'train', 'set_videos'), names, flip)
    for part, path in (
        ('train', files[0]),
        ('val', files[1]),
        ('test', files[1]),
    ):
        find_dataset(cfg, part, 'set_videos').update(
            ann_file=str(path), data_prefix=dict(video=str(videos))
        )


def _set_flip(
    dataset: dict, names: list[str], flip: bool | str | None
) -> None:
    if flip not in (None, True, False, 'swap'):
        raise ValueError(
            f"set_videos: flip={flip!r}; allowed are True, False, 'swap' and "
            'None'
        )
    pipeline = dataset.get('pipeline') or []
    steps = [step for step in pipeline if step.get('type') == 'Flip']
    if flip is False:
        dataset['pipeline'] = [s for s in pipeline if s not in steps]
    elif flip == 'swap':
        for step in steps:
            step['flip_label_map'] = mirror_map(names)
    elif flip is None and steps and os.environ.get('RANK', '0') == '0':
        told = advice(names)
        if told:
            print_log(f'set_videos: {told}', 'current', logging.WARNING)


def set_decoder(cfg: dict, name: str) -> None:
    """Choose the decoder of a fine-tuning config's videos, in place.

    The default decoder needs no configuration: it is PyAV, or the one named
    in MOSI_DECODER. MMAction2's own tools, such as the inferencer, need
    MMAction2's decoders. In a leaf config::

        _base_ = 'finetune_r2p1d_hmdb.py'

        from mosi_mmaction import set_decoder

        set_decoder(_base_, 'pyav')

    Args:
        cfg: The config, or ``_base_`` inside a leaf.
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
            'videos; is it a pretraining config? That needs no choice'
        )
    for step in steps:
        new = dict(type=_DECODERS[name] + kinds[step['type']])
        if new['type'] == step['type']:
            continue
        # Keep the arguments that both have.
        if name != 'video':
            new.update(
                (k, step[k]) for k in ('io_backend', 'mode') if k in step
            )
        step.clear()
        step.update(new)
    loader = cfg.get('test_dataloader')
    if name == 'video':
        # MMAction2's own preprocessor takes no stacked batch.
        stacks = any(
            part.get('type') == 'MoSIDataPreprocessor' for part in walk(cfg)
        )
        if loader and stacks:
            loader['collate_fn'] = dict(type='mosi_collate')
    elif loader:
        # MMAction2's inferencer looks up a collate function by its name and
        # does not accept a config.
        loader.pop('collate_fn', None)


def set_three_crops(cfg: dict) -> None:
    """Test three crops of every clip instead of the centre, in place.

    A left, a right and a middle square are cut along the frame's longer side
    (MMAction2's ``ThreeCrop``), and the centre of each is cropped to the
    config's crop size. So the third crop is the usual centre crop.

    Args:
        cfg: The config, or ``_base_`` inside a leaf.

    Raises:
        ValueError: If the test pipeline does not resize the short side and
            take a centre crop.
    """
    dataset = find_dataset(cfg, 'test', 'set_three_crops')
    pipeline = dataset.get('pipeline', [])
    resize, crop = (
        find_step(pipeline, 'Resize'),
        find_step(pipeline, 'CenterCrop'),
    )
    if resize is None or crop is None or resize['scale'][0] != -1:
        raise ValueError(
            'set_three_crops: test_dataloader.dataset.pipeline needs '
            'Resize(scale=(-1, SIDE)) and then CenterCrop'
        )
    # Other data loaders may refer to the same list.
    pipeline = copy.deepcopy(pipeline)
    at = pipeline.index(find_step(pipeline, 'CenterCrop'))
    pipeline.insert(at, dict(type='ThreeCrop', crop_size=resize['scale'][1]))
    cfg['test_dataloader'] = copy.deepcopy(cfg['test_dataloader'])
    cfg['test_dataloader']['dataset']['pipeline'] = pipeline


def set_linear_probe(
    cfg: dict,
    *,
    lr: float = 1e-2,
    weight_decay: float = 0.0,
    epochs: int | None = None,
) -> None:
    """Turn a fine-tuning config into a linear probe, in place.

    Only the classifier is trained, without dropout, on the features of a
    frozen backbone; the running statistics of its batch norms are frozen too.
    In a leaf config::

        _base_ = 'finetune_r2p1d_hmdb.py'

        from mosi_mmaction import set_linear_probe

        set_linear_probe(_base_, epochs=100)

    Args:
        cfg: The config, or ``_base_`` inside a leaf. Backbones that take
            ``frozen_stages`` and ``norm_eval``, like ours and the residual
            networks of MMAction2, freeze themselves; all others are frozen
            by :class:`~mosi_mmaction.FreezeHook`.
        lr: Learning rate of the classifier.
        weight_decay: Weight decay of the classifier.
        epochs: Number of epochs, see :func:`~mosi_mmaction.set_epochs`; None
            keeps the config's.

    Raises:
        ValueError: If the config trains no classifier on a backbone, or the
            epochs are no more than those of warm-up.
    """
    model = cfg.get('model') or {}
    backbone, head = model.get('backbone'), model.get('cls_head') or {}
    if not (backbone and 'num_classes' in head and cfg.get('optim_wrapper')):
        raise ValueError(
            'set_linear_probe: the config needs model.backbone, '
            'model.cls_head with num_classes, and optim_wrapper; is it one '
            'of fine-tuning?'
        )
    if epochs is not None:
        set_epochs(cfg, epochs)
    if _freezes_itself(backbone['type']):
        backbone.update(
            frozen_stages=backbone.get('num_stages', 4), norm_eval=True
        )
    else:
        cfg.setdefault('default_hooks', {})['freeze'] = dict(
            type='FreezeHook', prefix='backbone'
        )
    head['dropout_ratio'] = 0.0
    cfg['optim_wrapper']['optimizer'].update(lr=lr, weight_decay=weight_decay)
    if backbone['type'] not in _FROZEN_WHEN_BUILT:
        # DistributedDataParallel wraps these before they freeze.
        cfg['find_unused_parameters'] = True


def _freezes_itself(kind: str | type) -> bool:
    """Return whether a backbone can freeze its stages and norm layers.

    Passing the arguments is not enough: VisionTransformer ignores unknown
    ones and would continue to train.
    """
    backbone = kind if isinstance(kind, type) else MODELS.get(kind)
    return backbone is not None and any(
        {'frozen_stages', 'norm_eval'} <= set(signature(base).parameters)
        for base in backbone.__mro__[:-1]
    )


def set_retrieval(cfg: dict) -> None:
    """Turn a fine-tuning config into one for retrieval and k-NN, in place.

    Nothing is trained: the training videos are searched for every test video
    by the backbone's features, using the test pipeline for both. Use it with
    tools/test.py and a pretrained checkpoint. In a leaf config::

        _base_ = 'finetune_r2p1d_hmdb.py'

        from mosi_mmaction import set_retrieval

        set_retrieval(_base_)

    Args:
        cfg: The config, or ``_base_`` inside a leaf.

    Raises:
        ValueError: If it does not train and test on lists of videos.
    """
    query = find_dataset(cfg, 'test', 'set_retrieval')
    gallery = find_dataset(cfg, 'train', 'set_retrieval')
    if not (
        'ann_file' in query
        and 'ann_file' in gallery
        and find_step(query['pipeline'], 'PackActionInputs')
    ):
        raise ValueError(
            'set_retrieval: train_dataloader.dataset and '
            'test_dataloader.dataset need an ann_file each, and the test '
            'pipeline PackActionInputs; is this a fine-tuning config?'
        )
    datasets = []
    for role, dataset in (('gallery', gallery), ('query', query)):
        pipeline = copy.deepcopy(query['pipeline'])
        pipeline.insert(0, dict(type='SetRole', role=role))
        pack = cast(dict, find_step(pipeline, 'PackActionInputs'))
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
