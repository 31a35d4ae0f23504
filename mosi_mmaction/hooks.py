"""Training-loop hooks."""

import random
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import cv2
import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from PIL import Image

from .config import walk
from .media.decoder_client import video_decoder
from .media.video import kinds_read
from .version import __version__


@HOOKS.register_module()
class StreamHook(Hook):
    """Make what is random a function of (seed, iteration, rank).

    MMEngine's checkpoints hold no state of random generators, so a resumed
    run would draw other dropout masks. Here all generators of the process
    are seeded anew for every iteration; samples have their own streams, see
    :class:`~mosi_mmaction.EpochSampler`.

    A resumed run also gets the sampler's seed of the original one. MMEngine
    builds the sampler before it knows from which run it resumes, and where
    no seed was given, or ``diff_rank_seed`` was, another one is drawn.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner) -> None:
        """Bring sampler and message hub, which is saved, to one seed."""
        hub = runner.message_hub
        loader = runner.train_dataloader
        sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
        if 'stream_seed' not in hub.runtime_info:
            hub.update_info(
                'stream_seed', int(getattr(sampler, 'seed', runner.seed))
            )
        self.seed = hub.get_info('stream_seed')
        if hasattr(sampler, 'seed'):
            sampler.seed = self.seed

    def before_train_iter(
        self, runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Seed. Here, as a data loader draws when it starts an epoch."""
        stream = np.random.SeedSequence(
            (self.seed, runner.iter, get_rank())
        ).generate_state(3)
        random.seed(int(stream[0]))
        np.random.seed(stream[1])
        torch.manual_seed(int(stream[2]))


@HOOKS.register_module()
class CheckLoadedHook(Hook):
    """Stop if a loaded checkpoint leaves weights of the model untouched.

    MMEngine loads what fits and merely warns of the rest, so a fine-tuning
    from the wrong file would be a training from scratch that says nothing.

    Args:
        prefix: Only weights whose name begins so must be in the file;
            ``'backbone.'`` for fine-tuning, where the head is new.
    """

    priority = 'VERY_HIGH'

    def __init__(self, prefix: str = '') -> None:
        self.prefix = prefix

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare names and shapes.

        Raises:
            ValueError: If weights are missing or have another shape, or
                the file has more of that prefix than the network.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        loaded = checkpoint.get('state_dict', checkpoint)
        loaded = {
            k[len('module.') :] if k.startswith('module.') else k: v
            for k, v in loaded.items()
        }
        # A resumed run must get back all of its own weights.
        prefix = '' if runner._resume else self.prefix
        wanted = {
            k: v for k, v in model.state_dict().items() if k.startswith(prefix)
        }
        missing = [k for k in wanted if k not in loaded]
        other = [
            f'{k} {tuple(loaded[k].shape)} instead of {tuple(v.shape)}'
            for k, v in wanted.items()
            if k in loaded and loaded[k].shape != v.shape
        ]
        # Where all of a network is asked for, the file may hold more.
        extra = [
            k
            for k in loaded
            if prefix and k.startswith(prefix) and k not in wanted
        ]
        if missing or other or extra:
            lines = [f'missing: {k}' for k in missing]
            lines += [f'another shape: {k}' for k in other]
            lines += [f'unknown: {k}' for k in extra]
            listed = '\n  '.join(lines)
            raise ValueError(
                f'the checkpoint (load_from={runner._load_from!r}) does not '
                f'fit this network: {len(missing) + len(other)} of '
                f'{len(wanted)} tensors under {prefix!r} were not taken, '
                f'{len(extra)} of the file are unknown. Is it of another '
                f'backbone?\n  {listed}'
            )
        runner.logger.info(
            f'{len(wanted)} of {len(wanted)} tensors under '
            f'{prefix!r} taken from the checkpoint'
        )


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Stop if a list of videos has a label that the head has no class for.

    In training torch would fail at the first such sample, without a name,
    on a GPU with the memory of the device corrupt; a test would only count
    it as wrong.
    """

    def before_train(self, runner) -> None:
        """Compare labels of training and classes.

        Raises:
            ValueError: If a label is too large; as do the others.
        """
        self._compare(runner, 'train')

    def before_val(self, runner) -> None:
        """As before training."""
        self._compare(runner, 'val')

    def before_test(self, runner) -> None:
        """As before training."""
        self._compare(runner, 'test')

    def _compare(self, runner, part: str) -> None:
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        classes = getattr(
            getattr(model, 'cls_head', None), 'num_classes', None
        )
        loop = getattr(runner, f'{part}_loop')
        dataset = loop.dataloader.dataset
        top = getattr(dataset, 'top_label', None)
        if classes is not None and top is not None and top >= classes:
            raise ValueError(
                f'model.cls_head.num_classes={classes}, but '
                f'{part}_dataloader.dataset.ann_file={dataset.ann_file!r} has '
                f'the label {top}. Labels count from 0: set num_classes to '
                f'{top + 1} or more, or mend the list'
            )


@HOOKS.register_module()
class RecordHook(Hook):
    """Write into every checkpoint what its weights were made with.

    Under ``meta['mosi_mmaction']``, in plain types that any process can
    load: ``version`` of the plugin; ``decoders``, name and version of what
    decodes ``image`` and ``video``, and in ``video_files`` which decoder has
    read which kinds of file, and how it found their frames; ``data``, where
    the training samples come from and their number; ``backbone``, its config
    as a dict, so that no code has to be run to build it; for pretraining
    ``label_pool``, the
    arguments and ``names`` of the labels. The whole config, the seed and
    MMEngine's version are in ``meta`` already.
    """

    # The arguments of a data set that say which samples it has.
    _DATA = (
        'type',
        'data_root',
        'ann_file',
        'data_prefix',
        'frame_dirs',
        'split',
        'val_fraction',
        'num_images',
        'size',
        'seed',
    )

    # Made for the first checkpoint of a run; what it tells does not change.
    _record: dict | None = None

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the record to the meta data."""
        if self._record is None:
            self._record = self._describe(runner)
        # More may have been met since.
        self._record['decoders']['video_files'] = kinds_read()
        checkpoint['meta']['mosi_mmaction'] = self._record

    def _describe(self, runner) -> dict:
        config = runner.cfg.get('train_dataloader') or {}
        nodes = list(walk(config))
        steps = {node.get('type') for node in nodes}
        forced = {
            node['decoder']
            for node in nodes
            if node.get('type') in ('VideoInit', 'LoadSourceFrame')
            and node.get('decoder')
        }
        if 'PyAVInit' in steps:
            video = 'pyav', _version('av')
        elif 'DecordInit' in steps:
            video = 'decord', _version('decord')
        else:
            video = video_decoder(*forced)
        dataset = config.get('dataset') or {}
        data = {k: _plain(dataset[k]) for k in self._DATA if k in dataset}
        data['samples'] = len(runner.train_dataloader.dataset)
        record = dict(
            version=__version__,
            data=data,
            backbone=_plain(runner.cfg.model.get('backbone') or {}),
            decoders=dict(
                image=f'opencv {cv2.__version__}, pillow {Image.__version__}',
                video=' '.join(video).strip(),
            ),
        )
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        pool = getattr(getattr(model, 'cls_head', None), 'pool', None)
        if pool is not None:
            record['label_pool'] = dict(
                num_speeds=pool.num_speeds,
                axes=pool.axes,
                decoupled=pool.decoupled,
                static=pool.static,
                names=list(pool.names),
            )
        return record


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ''


def _plain(value: Any) -> Any:
    """Turn the config's dicts, which not every process knows, into dicts."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return (
        value
        if isinstance(value, (int, float, str, type(None)))
        else str(value)
    )
