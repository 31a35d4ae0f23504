"""Record in every checkpoint how it was made."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import cv2
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from PIL import Image

from ...checkpoints.weights import unwrap_model
from ...config.walk import walk
from ...media.decoder_client import video_decoder
from ...media.video import kinds_read
from ...version import __version__


@HOOKS.register_module()
class RecordHook(Hook):
    """Write into every checkpoint how its weights were made.

    The record is in ``meta['mosi_mmaction']``, in plain types that any
    process can load: ``version`` of the plugin; ``decoders``, name and
    version of the decoders of ``image`` and ``video``, and in ``video_files``
    which decoder read which kinds of file and how it found their frames;
    ``data``, where the training samples come from and how many there are;
    ``backbone``, its config as a dict, so that no code has to be run to build
    it; and, for pretraining, ``label_pool``, the arguments and ``names`` of
    the labels. The whole config, the seed and MMEngine's version are already
    in ``meta``.
    """

    # The arguments of a dataset that define its samples.
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

    # Made for the first checkpoint of a run; it does not change afterwards.
    _record: dict | None = None

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Add the record to the metadata."""
        if self._record is None:
            self._record = self._describe(runner)
        # More kinds of file may have been read since.
        self._record['decoders']['video_files'] = kinds_read()
        checkpoint['meta']['mosi_mmaction'] = self._record

    def _describe(self, runner) -> dict:
        config = runner.cfg.get('train_dataloader') or {}
        dataset = config.get('dataset') or {}
        data = {k: _plain(dataset[k]) for k in self._DATA if k in dataset}
        data['samples'] = len(runner.train_dataloader.dataset)
        record = dict(
            version=__version__,
            data=data,
            backbone=_plain(_model_config(runner).get('backbone') or {}),
            decoders=dict(
                image=f'opencv {cv2.__version__}, pillow {Image.__version__}',
                video=video_decoders(config),
            ),
        )
        model = unwrap_model(runner.model)
        pool = getattr(getattr(model, 'cls_head', None), 'pool', None)
        if pool is not None:
            record['label_pool'] = dict(
                num_speeds=pool.num_speeds,
                axes=pool.axes,
                decoupled=pool.decoupled,
                static=pool.static,
                motions=list(pool.motions),
                signed=pool.signed,
                names=list(pool.names),
            )
        return record


def video_decoders(config: dict) -> str:
    """Return names and versions of the decoders that a config uses.

    Args:
        config: Config of a data loader.

    Returns:
        For example ``'pyav 18.1.0'``; several are separated by commas.
    """
    steps = [node for node in walk(config) if 'type' in node]
    kinds = {step['type'] for step in steps}
    if 'PyAVInit' in kinds:
        found = {('pyav', _version('av'))}
    elif 'DecordInit' in kinds:
        found = {('decord', _version('decord'))}
    else:
        forced = {
            step.get('decoder')
            for step in steps
            if step['type'] in ('VideoInit', 'LoadSourceFrame')
        }
        found = {video_decoder(name) for name in forced or [None]}
    return ', '.join(' '.join(pair).strip() for pair in sorted(found))


def _model_config(runner: Any) -> dict:
    """Return the network's config; empty if a script built the network."""
    config = runner.cfg.get('model')
    return config if isinstance(config, dict) else {}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ''


def _plain(value: Any) -> Any:
    """Turn ConfigDicts, which not every process can load, into dicts."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, type):  # of a pure-Python config
        return value.__name__
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return (
        value
        if isinstance(value, (int, float, str, type(None)))
        else str(value)
    )
