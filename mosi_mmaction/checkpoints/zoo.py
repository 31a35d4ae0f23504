"""Pretrained networks by name, from this package or from files."""

import os.path as osp
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from mmaction.registry import MODELS
from mmengine import fileio
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from torch import nn

from .config import plain_network
from .files import check_digest, read_checkpoint
from .weights import backbone_weights, compare_weights

# Directories that ship with the package; in a clone, links to the top level.
_SHIPPED = Path(__file__).resolve().parents[1] / '.mim'

#: Prefix of an entry's name where MMEngine takes a checkpoint.
SCHEME = 'mosi://'


def zoo_entries() -> dict[str, dict]:
    """Return the entries of all ``metafile.yml`` by name.

    Returns:
        Name to entry: ``Config``, ``Metadata``, and, if there is a file,
        ``Weights``, a URL or a path relative to the repository.
    """
    return {
        model['Name']: model
        for path in sorted((_SHIPPED / 'configs').rglob('metafile.yml'))
        for model in fileio.load(path)['Models']
    }


def load_backbone(name_or_path: str) -> nn.Module:
    """Build a pretrained backbone and load its weights.

    A name needs no internet connection if its file ships with the package or
    was downloaded before (into torch.hub's directory). Its checksum is always
    compared. So is that of a file whose name ends in eight digits of the
    checksum, such as ``…-1a2b3c4d.pth``.

    Args:
        name_or_path: Name of an entry of the zoo, or a checkpoint file of
            this package: from a run, published, only a backbone, or the
            ``.safetensors`` of ``tools/export.py``.

    Returns:
        The backbone in eval mode on the CPU. It takes (N, 3, T, H, W) float32
        clips, normalised as by the config's preprocessor, and returns feature
        maps.

    Raises:
        ValueError: If neither name nor file is known, the checksum differs,
            the file does not say which network it belongs to, or its
            weights do not fit that network.
    """
    path = find_checkpoint(name_or_path)
    file = read_checkpoint(path)
    config = file.get('meta', {}).get('mosi_mmaction', {}).get('backbone')
    if not config:
        raise ValueError(
            f"{path}: meta['mosi_mmaction']['backbone'] does not say which "
            'network it is; build it from its config and load it with '
            'mmengine.runner.load_checkpoint'
        )
    init_default_scope('mmaction')
    backbone = MODELS.build(plain_network(config, path))
    weights = backbone_weights(file)
    found = compare_weights(backbone.state_dict(), weights)
    if any(found):
        raise ValueError(
            f'{path}: the weights are not those of its {config["type"]}: '
            f'missing {sorted(found.missing)}, unknown '
            f'{sorted(found.unknown)}, of another shape '
            f'{sorted(found.reshaped)}'
        )
    backbone.load_state_dict(weights)
    backbone.eval()  # returns None if a network overrides train
    return backbone


def find_checkpoint(name_or_path: str) -> str:
    """Return the path of a checkpoint after comparing its checksum.

    Args:
        name_or_path: File, or the name of a zoo entry, also as
            ``mosi://NAME``.

    Raises:
        ValueError: If neither is known, or the checksum differs from the
            zoo's or the one in the file's name.
    """
    path = str(name_or_path)
    if not osp.isfile(path):
        return checkpoint_path(path.removeprefix(SCHEME))
    digest = re.search(r'-([0-9a-f]{8})\.(pth|safetensors)$', path)
    if digest:
        check_digest(path, digest[1])
    return path


def checkpoint_path(name: str) -> str:
    """Return the file of an entry of the zoo.

    The file is downloaded if it neither ships with the package nor was
    downloaded before. Its checksum is always compared.

    Args:
        name: Name of the entry.

    Raises:
        ValueError: If there is no such entry, it has no file yet, or the
            checksum differs.
    """
    entries = zoo_entries()
    if name not in entries:
        raise ValueError(
            f'{name!r} is neither a file nor in the zoo, which has '
            f'{sorted(entries)}'
        )
    entry = entries[name]
    weights = entry.get('Weights')
    if not weights:
        raise ValueError(
            f'{name}: no file exists yet; {entry["Config"]} trains it'
        )
    digest = entry['Metadata']['SHA256']
    if urlparse(weights).scheme:
        path = osp.join(
            torch.hub.get_dir(),
            'checkpoints',
            osp.basename(urlparse(weights).path),
        )
        if not osp.isfile(path):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            try:
                torch.hub.download_url_to_file(weights, path, digest)
            except RuntimeError as error:  # of another checksum
                raise ValueError(
                    f'{name}: what was downloaded from {weights} is not the '
                    f'file of the zoo and was not kept: {error}'
                ) from error
    else:
        path = str(_SHIPPED / weights)
    check_digest(path, digest)
    return path


@CheckpointLoader.register_scheme(prefixes=SCHEME, force=True)
def load_from_zoo(filename: str, map_location: Any = None) -> dict:
    """Load ``mosi://NAME``, the scheme that ``load_from`` knows."""
    return CheckpointLoader.load_checkpoint(
        checkpoint_path(filename[len(SCHEME) :]), map_location, 'silent'
    )
