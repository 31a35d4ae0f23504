"""Export networks to files that other stacks run, and compare them there."""

import json
import logging
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.models import BaseRecognizer
from mmengine.config import Config
from torch import Tensor, nn

from ..checkpoints.files import METADATA, read_checkpoint
from ..checkpoints.weights import backbone_weights
from ..checkpoints.zoo import find_checkpoint
from ..files import whole_file
from ..models.heads.pooled_feature_head import pool_features
from .export_comparison import compare
from .networks import clip_settings, load_network, normalization

#: Format to the ending of its files.
FORMATS = dict(
    safetensors='.safetensors', onnx='.onnx', torchscript='.pt', program='.pt2'
)


class ExportedNetwork(nn.Module):
    """What an exported file computes: clips in, one row a clip out.

    Args:
        model: A recognizer, or a bare backbone.
        what: ``'features'``, the backbone's output averaged over time and
            space, (N, D); or ``'classifier'``, probabilities, (N, C).
        normalize: Whether clips come in as uint8 grey levels and are
            normalised inside; otherwise they are float32 and normalised.
        cfg: Config that says how a bare backbone's clips are normalised;
            None is as in the paper.

    Raises:
        ValueError: If ``what`` is unknown, or there is no classifier.
    """

    def __init__(
        self,
        model: nn.Module,
        what: str = 'features',
        normalize: bool = False,
        cfg: Config | None = None,
    ) -> None:
        super().__init__()
        if what not in ('features', 'classifier'):
            raise ValueError(
                f"what={what!r}: allowed are 'features' and 'classifier'"
            )
        self.backbone = getattr(model, 'backbone', model)
        self.head = None
        if what == 'classifier':
            self.head = getattr(model, 'cls_head', None)
            if self.head is None:
                raise ValueError(
                    'the checkpoint is a backbone alone and has no '
                    "classifier: use what='features'"
                )
        self.normalize = normalize
        mean, std = normalization(model, cfg)
        for name, value in (('mean', mean), ('std', std)):
            self.register_buffer(name, torch.tensor(value).view(3, 1, 1, 1))
        self.eval()

    def forward(self, clips: Tensor) -> Tensor:
        """Compute.

        Args:
            clips: (N, 3, T, H, W) RGB.
        """
        if self.normalize:
            clips = (clips.float() - self.mean) / self.std
        found = self.backbone(clips)
        if self.head is None:
            return torch.cat(list(pool_features(found)), 1)
        return self.head(found).softmax(1)


def export(
    checkpoint: str,
    file_format: str,
    out: str | None = None,
    what: str = 'features',
    normalize: bool = False,
    config: str | None = None,
    classes: list[str] | None = None,
    clip_len: int | None = None,
    side: int | None = None,
) -> dict:
    """Export a checkpoint, and compare the file with the network.

    The file is loaded by its own runtime in a new process that imports
    neither this package nor MMAction2, with batches of one and of three
    clips. Only a file that agrees is left at ``out``.

    Args:
        checkpoint: File, or the name of a zoo entry.
        file_format: One of :data:`FORMATS`. ``'safetensors'`` holds
            weights, which :func:`~mosi_mmaction.load_backbone` reads, the
            others a network whose batch may have any size.
        out: Where to write; None is the checkpoint's name with another
            ending, in the current directory.
        what: ``'features'`` or ``'classifier'``.
        normalize: Whether the file takes uint8 clips.
        config: Config of the run; None takes the checkpoint's.
        classes: Names of the classes, for the metadata of a classifier.
        clip_len: Number of frames; None is that of the config, or 16.
        side: Side of a clip in pixels; None is that of the config, or 112.

    Returns:
        ``path``, ``bytes``, ``difference`` (largest absolute), ``largest``
        (output), ``seconds``.

    Raises:
        ValueError: If an argument is not allowed or the file differs.
        ImportError: If the format's package is not installed.
    """
    if file_format not in FORMATS:
        raise ValueError(
            f'file_format={file_format!r}: allowed are {list(FORMATS)}'
        )
    if file_format == 'safetensors' and normalize:
        raise ValueError(
            'safetensors hold weights and compute nothing: normalize=True '
            'needs another format'
        )
    if classes and what != 'classifier':
        raise ValueError("names of classes go with what='classifier'")
    model, cfg = load_network(checkpoint, config)
    network = ExportedNetwork(model, what, normalize, cfg)
    length, interval, crop = _clip(cfg)
    shape = 3, clip_len or length, side or crop, side or crop
    about = _about(checkpoint, model, network, cfg, shape, interval, classes)
    ending = FORMATS[file_format]
    path = Path(out or f'{Path(checkpoint).stem}_{what}{ending}')
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, f'exported{ending}')
        if file_format == 'safetensors':
            whole = isinstance(model, BaseRecognizer) and what == 'classifier'
            weights = model.state_dict()
            if not whole:
                weights = backbone_weights(dict(state_dict=weights))
            _save_weights(weights, made, about)
            np.savez(
                Path(folder, 'expected.npz'),
                **{k: v.numpy() for k, v in weights.items()},
            )
        else:
            clips = _clips(2, shape, normalize)
            _SAVE[file_format](network, clips, made, about)
            _save_expected(network, shape, normalize, folder)
        report = compare(file_format, made)
        with whole_file(path) as part:
            shutil.copyfile(made, part)
    return dict(
        path=str(path),
        bytes=path.stat().st_size,
        seconds=round(time.perf_counter() - start, 1),
        **report,
    )


def _clip(cfg: Config | None) -> tuple[int, int, int]:
    if cfg is not None:
        try:
            return clip_settings(cfg)
        except ValueError:
            pass  # neither pretraining nor fine-tuning: the paper's size
    return 16, 2, 112


def _about(checkpoint, model, network, cfg, shape, interval, classes) -> dict:
    """Describe a file: plain values for its metadata."""
    meta = read_checkpoint(find_checkpoint(checkpoint)).get('meta') or {}
    backbone = (meta.get(METADATA) or {}).get('backbone')
    if backbone is None and cfg is not None:
        backbone = cfg.model.backbone.to_dict()
    about: dict[str, Any] = dict(
        backbone=backbone,
        clips='(N, 3, T, H, W), RGB, '
        + ('uint8' if network.normalize else 'float32, normalised'),
        mean=network.mean.flatten().tolist(),
        std=network.std.flatten().tolist(),
        clip_len=shape[1],
        frame_interval=interval,
        side=shape[2],
    )
    pool = getattr(getattr(model, 'cls_head', None), 'pool', None)
    names = classes or list(getattr(pool, 'names', ()))
    if names and network.head is not None:
        count = network.head.num_classes
        if len(names) != count:
            raise ValueError(
                f'{len(names)} names of classes for a classifier of {count}'
            )
        about['classes'] = names
    return about


def _clips(count: int, shape: tuple, as_bytes: bool, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    clips = torch.randint(
        0, 256, (count, *shape), generator=rng, dtype=torch.uint8
    )
    return clips if as_bytes else (clips.float() - 114.75) / 57.375


def _save_weights(weights: dict, path: Path, about: dict) -> None:
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise _missing(error) from error
    tensors = {k: v.detach().clone().contiguous() for k, v in weights.items()}
    save_file(tensors, path, {METADATA: json.dumps(about)})


@contextmanager
def _only_our_business() -> Iterator[None]:
    """Hide what torch says about itself while it exports."""

    def other(record: logging.LogRecord) -> bool:
        return 'torchvision is not installed' not in record.getMessage()

    log = logging.getLogger('torch.onnx._internal.exporter._registration')
    log.addFilter(other)
    try:
        with warnings.catch_warnings():
            # Of torch's own code, in the versions we support.
            warnings.filterwarnings(
                'ignore', '.*LeafSpec.* is deprecated', FutureWarning
            )
            # What a trace has fixed is found out: the file is compared with
            # the network, at other sizes of the batch.
            warnings.simplefilter('ignore', torch.jit.TracerWarning)
            yield
    finally:
        log.removeFilter(other)


def _save_onnx(network, clips, path, about):
    try:
        import onnxruntime  # noqa: F401  compares it
        import onnxscript  # noqa: F401  torch's exporter needs it
    except ImportError as error:
        raise _missing(error) from error
    with _only_our_business():
        program = torch.onnx.export(
            network,
            (clips,),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim('batch')},),
            input_names=['clips'],
            output_names=['scores' if network.head else 'features'],
            verbose=False,
        )
    program.model.metadata_props[METADATA] = json.dumps(about)
    program.save(path, external_data=False)


def _save_torchscript(network, clips, path, about):
    with torch.no_grad(), _only_our_business():
        traced = torch.jit.trace(network, clips, check_trace=False)
    extra = {METADATA: json.dumps(about)}
    torch.jit.save(traced, str(path), _extra_files=extra)


def _save_program(network, clips, path, about):
    program = torch.export.export(
        network,
        (clips,),
        dynamic_shapes=({0: torch.export.Dim('batch')},),
    )
    extra = {METADATA: json.dumps(about)}
    torch.export.save(program, path, extra_files=extra)


_SAVE = dict(
    onnx=_save_onnx, torchscript=_save_torchscript, program=_save_program
)


def _missing(error: ImportError) -> ImportError:
    return ImportError(f'{error}; `pip install "mosi_mmaction[export]"`')


def _save_expected(network, shape, normalize, folder) -> None:
    """Save clips and answers: a batch of one, and one of three."""
    saved = {}
    for count in (1, 3):
        clips = _clips(count, shape, normalize, seed=count)
        with torch.no_grad():
            answer = network(clips)
        saved[f'clips{count}'] = clips.numpy()
        saved[f'expected{count}'] = answer.numpy()
    np.savez(Path(folder, 'expected.npz'), **saved)
