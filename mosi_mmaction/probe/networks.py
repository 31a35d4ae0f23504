"""Open any video network for the probe."""

import copy
import importlib
import os.path as osp
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mmaction
import torch
from mmaction.models import BaseRecognizer
from mmengine.config import Config
from torch import nn

from ..apis.networks import (
    build_network,
    clip_settings,
    load_network,
    normalization,
    read_config,
    training_pipeline,
)
from ..checkpoints.zoo import SCHEME, zoo_entries

#: Clip length and side where nothing tells them.
DEFAULT_CLIP = 16, 112


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
        options: Settings that override those of a config; for configs only.
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
    of_config = False
    if osp.isfile(name) and not name.endswith('.py'):
        found, cfg = load_network(name)
    elif re.fullmatch(r'[\w.]+:\w+', name):
        found = _from_function(name)
    elif not osp.isfile(name) and (bare != name or bare in zoo_entries()):
        found, cfg = load_network(bare)
    else:
        of_config = True
        cfg = read_config(_stock_config(name), options)
        cfg.model.setdefault('data_preprocessor', dict(_NORMALISE))
        found = build_network(cfg, checkpoint)
    if not of_config and checkpoint is not None:
        raise ValueError(
            f'checkpoint={checkpoint!r} goes with a config; {name!r} brings '
            'its own weights'
        )
    if not of_config and options:
        raise ValueError(
            f'options={options!r} go with a config; {name!r} is built as it is'
        )
    if cfg is not None and (clip_len is None or side is None):
        try:
            length, _, crop = clip_settings(cfg)
        except ValueError:
            length, crop = DEFAULT_CLIP
    else:
        length, crop = DEFAULT_CLIP
    recognizer_cfg = cfg if isinstance(found, BaseRecognizer) else None
    bare_values = []
    if recognizer_cfg is None:
        bare_values = [tuple(v) for v in normalization(found, cfg)]
    return Network(
        name,
        _ready(found, device),
        lambda seed: _ready(_untrained(found, recognizer_cfg, seed), device),
        int(clip_len or length),
        int(side or crop),
        cfg,
        *bare_values,
    )


#: Of a config that has no preprocessor, as those that are only built.
_NORMALISE = dict(
    type='ActionDataPreprocessor',
    mean=[114.75] * 3,
    std=[57.375] * 3,
    format_shape='NCTHW',
)


def _stock_config(name: str) -> str:
    """Return the path of one of MMAction2's packaged configs."""
    if not name.startswith('mmaction::'):
        return name
    root = Path(mmaction.__file__).parent / '.mim' / 'configs'
    path = root / name.removeprefix('mmaction::')
    if path.suffix != '.py':
        path = path.with_name(f'{path.name}.py')
    if not path.is_file():
        raise FileNotFoundError(f'there is no config {name!r}: no file {path}')
    return str(path)


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
