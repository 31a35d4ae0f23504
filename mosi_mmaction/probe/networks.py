"""Open any video network for the probe, and take its features."""

import copy
import importlib
import os.path as osp
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.models import BaseRecognizer
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from torch import nn

from ..apis.networks import (
    build_network,
    clip_settings,
    read_config,
    training_pipeline,
)
from ..checkpoints.config import config_of, plain_network
from ..checkpoints.zoo import SCHEME, checkpoint_path, load_backbone
from ..models.heads.pooled_feature_head import pool_features

#: Clip length and side where nothing tells them.
DEFAULT_CLIP = 16, 112

#: Pixels of a batch: larger ones keep small networks busy.
BATCH_PIXELS = 2**20


@dataclass
class Network:
    """A video network, ready to be asked.

    Attributes:
        name: What the user called it.
        model: A recognizer of MMAction2, or a bare network that takes
            (M, 3, T, H, W) float clips; in evaluation mode.
        untrained: Builds the same network with random weights from a seed.
        clip_len: Number of frames of a clip.
        side: Side of a clip in pixels.
        cfg: Its config, where one is known.
        mean: What a bare network has taken out of the pixels, in grey
            levels.
        std: What they are then divided by.
    """

    name: str
    model: nn.Module
    untrained: Callable[[int], nn.Module]
    clip_len: int
    side: int
    cfg: Config | None = None
    mean: tuple[float, ...] = (114.75,) * 3
    std: tuple[float, ...] = (57.375,) * 3


def open_network(
    name: str,
    checkpoint: str | None = None,
    options: dict | None = None,
    clip_len: int | None = None,
    side: int | None = None,
    device: str = 'cpu',
) -> Network:
    """Open what a user gave as NETWORK.

    Args:
        name: A checkpoint file of this package, the name of a zoo entry, a
            config (a file, a packaged one by its name, or
            ``mmaction::recognition/...``), or ``module:function``, which
            returns a ``torch.nn.Module``.
        checkpoint: File whose weights a config's network gets; all of them
            must be in it. None leaves it untrained.
        options: Settings that override those of a config.
        clip_len: Number of frames; None is what the config trains with.
        side: Side of a clip in pixels; None is what the config trains with.
        device: Where to put it.

    Raises:
        FileNotFoundError: If there is no such file or config.
        ValueError: If the network cannot be built, or the weights are not
            its.
    """
    bare = name.removeprefix(SCHEME)
    found: nn.Module
    cfg: Config | None = None
    if osp.isfile(name) and not name.endswith('.py'):
        found, cfg = _from_checkpoint(name)
    elif re.fullmatch(r'[\w.]+:\w+', name):
        found = _from_function(name)
    elif not osp.isfile(name) and (bare != name or _in_zoo(bare)):
        found, cfg = _from_checkpoint(checkpoint_path(bare))
    else:
        cfg = read_config(_stock_config(name), options)
        cfg.model.setdefault('data_preprocessor', dict(_NORMALISE))
        found = build_network(cfg, checkpoint)
    if checkpoint is not None and (
        cfg is None or osp.isfile(bare) and not bare.endswith('.py')
    ):
        raise ValueError(
            f'checkpoint={checkpoint!r} goes with a config; {name!r} brings '
            'its own weights'
        )
    if cfg is not None and (clip_len is None or side is None):
        try:
            length, _, crop = clip_settings(cfg)
        except ValueError:
            length, crop = DEFAULT_CLIP
    else:
        length, crop = DEFAULT_CLIP
    recognizer_cfg = cfg if isinstance(found, BaseRecognizer) else None
    return Network(
        name,
        _ready(found, device),
        lambda seed: _ready(_untrained(found, recognizer_cfg, seed), device),
        int(clip_len or length),
        int(side or crop),
        cfg,
    )


#: Of a config that has no preprocessor, as those that are only built.
_NORMALISE = dict(
    type='ActionDataPreprocessor',
    mean=[114.75] * 3,
    std=[57.375] * 3,
    format_shape='NCTHW',
)


def _in_zoo(name: str) -> bool:
    try:
        checkpoint_path(name)
    except ValueError as error:
        if 'neither a file nor in the zoo' in str(error):
            return False
        raise
    return True


def _stock_config(name: str) -> str:
    """Return the path of one of MMAction2's packaged configs."""
    if not name.startswith('mmaction::'):
        return name
    root = Path(find_spec('mmaction').origin).parent / '.mim' / 'configs'
    path = root / name.removeprefix('mmaction::')
    if path.suffix != '.py':
        path = path.with_name(f'{path.name}.py')
    if not path.is_file():
        raise FileNotFoundError(f'there is no config {name!r}: no file {path}')
    return str(path)


def _from_checkpoint(path: str) -> tuple[nn.Module, Config | None]:
    """Build a checkpoint's recognizer, or its backbone alone."""
    file = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    weights = file.get('state_dict', {})
    cfg = None
    if isinstance((file.get('meta') or {}).get('cfg'), str):
        cfg = config_of(file, path)
    if cfg is None or not any(k.startswith('cls_head.') for k in weights):
        return load_backbone(path), cfg
    init_default_scope('mmaction')
    cfg.model = plain_network(cfg.model.to_dict(), path)
    return build_network(cfg, path), cfg


def _from_function(name: str) -> nn.Module:
    module, function = name.split(':')
    try:
        found = getattr(importlib.import_module(module), function)()
    except ModuleNotFoundError as error:
        if error.name != module.partition('.')[0]:
            raise
        raise FileNotFoundError(
            f'{name}: there is no module {module!r} on the Python path; '
            'start in its directory, or set PYTHONPATH'
        ) from error
    except AttributeError as error:
        raise ValueError(f'{name}: {error}') from error
    if not isinstance(found, nn.Module):
        raise ValueError(
            f'{name} returned a {type(found).__name__}, not a torch.nn.Module'
        )
    return found


def _ready(model: nn.Module, device: str) -> nn.Module:
    model = model.to(device).float()
    model.eval()  # returns None where a network overrides train()
    return model


def _untrained(model: nn.Module, cfg: Config | None, seed: int) -> nn.Module:
    """Build the same network with random weights."""
    if cfg is not None:
        return build_network(cfg, None, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return reset(copy.deepcopy(model))


def reset(model: nn.Module) -> nn.Module:
    """Give a network random weights, in place.

    Modules that know how, do it; the values of all other parameters, such
    as position embeddings, change places at random.
    """
    known: set[int] = set()
    for module in model.modules():
        if callable(getattr(module, 'reset_parameters', None)):
            module.reset_parameters()
            known.update(id(p) for p in module.parameters())
    for parameter in model.parameters():
        if id(parameter) not in known:
            values = parameter.data.flatten()
            order = torch.randperm(values.numel())
            parameter.data = values[order].view_as(parameter).clone()
    return model


@dataclass
class Features:
    """What a network says of M clips.

    Attributes:
        pooled: Averages over time and space, (M, D) float32.
        placed: Averages over time and quarters of the frame, (M, 4 D)
            float32; ``pooled`` where its output has no place.
        scores: Of its own MoSI head, (M, C) float32; None without one.
    """

    pooled: np.ndarray
    placed: np.ndarray
    scores: np.ndarray | None = None


@dataclass
class NormRecord:
    """Statistics of what reaches a batch norm, beside those it remembers.

    Attributes:
        name: Of the module.
        module: The batch norm.
        sums: Count, and sums of values and squares of each channel.
    """

    name: str
    module: nn.Module
    sums: list = field(default_factory=lambda: [0, 0.0, 0.0])

    def see(self, values: torch.Tensor) -> None:
        """Count what comes in, (M, D, ...)."""
        axes = [0, *range(2, values.ndim)]
        var, mean = torch.var_mean(values.detach(), axes, correction=0)
        count = values.numel() // values.shape[1]
        var, mean = var.double(), mean.double()
        self.sums[0] += count
        self.sums[1] = self.sums[1] + count * mean
        self.sums[2] = self.sums[2] + count * (var + mean**2)

    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and variance of each channel."""
        count, total, squares = self.sums
        mean = total / count
        return mean, (squares / count - mean**2).clamp(min=0)


def inputs_of(network: Network, clips: np.ndarray) -> torch.Tensor:
    """Normalise clips as the network wants them.

    Args:
        network: The network.
        clips: (M, T, H, W, 3) uint8 RGB.

    Returns:
        (M, 3, T, H, W) float32, on the network's device.
    """
    batch = torch.from_numpy(np.ascontiguousarray(clips))
    batch = batch.permute(0, 4, 1, 2, 3)
    model = network.model
    if isinstance(model, BaseRecognizer):
        if model.data_preprocessor is not None:
            packed = dict(
                inputs=[clip[None] for clip in batch],
                data_samples=[ActionDataSample() for _ in batch],
            )
            return model.data_preprocessor(packed)['inputs'].flatten(0, 1)
    device = next((p.device for p in model.parameters()), torch.device('cpu'))
    shape = (3, 1, 1, 1)
    batch = batch.to(device, torch.float32)
    batch -= torch.tensor(network.mean, device=device).view(shape)
    return batch / torch.tensor(network.std, device=device).view(shape)


def take_features(
    network: Network, batches: Iterable[np.ndarray], norms: list | None = None
) -> Features:
    """Run clips through the frozen network.

    Args:
        network: The network.
        batches: Clips, (M, T, H, W, 3) uint8 RGB each.
        norms: Where to append a :class:`NormRecord` for each batch norm.

    Raises:
        ValueError: If it does not take clips, or its output is not one
            row a clip.
    """
    model = network.model
    is_recognizer = isinstance(model, BaseRecognizer)
    backbone = model.backbone if is_recognizer else model
    head = getattr(model, 'cls_head', None)
    has_pool = hasattr(head, 'pool')
    records, handles = [], []
    if norms is not None:
        for name, module in backbone.named_modules():
            if (
                isinstance(module, nn.modules.batchnorm._BatchNorm)
                and module.running_mean is not None
            ):
                record = NormRecord(name, module)
                records.append(record)
                handles.append(
                    module.register_forward_pre_hook(
                        lambda _, args, record=record: record.see(args[0])
                    )
                )
    pooled, placed, scores = [], [], []
    try:
        for clips in _grouped(batches):
            with torch.no_grad():
                output = _run(network, backbone, clips)
                whole = torch.cat(list(pool_features(output)), 1)
                if len(whole) != len(clips):
                    raise ValueError(
                        f'{network.name}: {len(whole)} rows of features for '
                        f'{len(clips)} clips; the probe wants a network of '
                        'clips (M, 3, T, H, W)'
                    )
                pooled.append(whole.float().cpu().numpy())
                parts = torch.cat(list(_quarters(output)), 1)
                placed.append(parts.float().cpu().numpy())
                if has_pool:
                    scores.append(head(output).float().cpu().numpy())
    finally:
        for handle in handles:
            handle.remove()
    if norms is not None:
        norms += [r for r in records if r.sums[0]]
    return Features(
        np.concatenate(pooled),
        np.concatenate(placed),
        np.concatenate(scores) if scores else None,
    )


def _grouped(batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield larger batches, of up to about BATCH_PIXELS pixels."""
    waiting: list[np.ndarray] = []
    for clips in batches:
        waiting.append(clips)
        if sum(c[..., 0].size for c in waiting) >= BATCH_PIXELS:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _run(network: Network, backbone: nn.Module, clips: np.ndarray):
    try:
        return backbone(inputs_of(network, clips))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(
            f'{network.name} takes no clips of {network.clip_len} x '
            f'{network.side}²: {str(error).splitlines()[0]}. Give it the '
            'clips it was built for: --clip-len, --side'
        ) from error


def _quarters(x):
    """Yield averages over time and the quarters of the frame, (M, 4 D)."""
    if not isinstance(x, torch.Tensor):
        for part in x:
            yield from _quarters(part)
    elif x.ndim == 5:
        yield F.adaptive_avg_pool3d(x, (1, 2, 2)).flatten(1)
    else:
        yield from pool_features(x)


def own_pipeline(network: Network) -> list[dict] | None:
    """Return the steps that a MoSI head was trained with, or None.

    None, too, where the clips of a sample depend on its batch.
    """
    if network.cfg is None or not hasattr(
        getattr(network.model, 'cls_head', None), 'pool'
    ):
        return None
    try:
        steps = training_pipeline(network.cfg)
    except ValueError:
        return None
    names = [s['type'] for s in steps]
    if 'DrawPseudoMotion' not in names or any(
        s.get('texture') == 'other' for s in steps
    ):
        return None
    if 'RenderPseudoMotion' not in names:  # rendered on the device there
        steps = [*steps, dict(type='RenderPseudoMotion')]
    return [dict(s) for s in steps]
