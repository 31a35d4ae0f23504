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

from .files import check_digest
from .weights import backbone_weights

# What ships with the package: in a clone these are links to the top level.
_SHIPPED = Path(__file__).resolve().parents[1] / '.mim'

#: What an entry's name follows where MMEngine wants a checkpoint.
SCHEME = 'mosi://'

# Arguments of a backbone that fetch weights from elsewhere.
_INITIALISED_FROM = ('pretrained', 'init_cfg')


def zoo_entries() -> dict[str, dict]:
    """Return the entries of all ``metafile.yml``, by name.

    Returns:
        Name to entry: ``Config``, ``Metadata``, and ``Weights``, a URL or
        a path relative to the repository, where there is a file.
    """
    return {
        model['Name']: model
        for path in sorted((_SHIPPED / 'configs').rglob('metafile.yml'))
        for model in fileio.load(path)['Models']
    }


def load_backbone(name_or_path: str) -> nn.Module:
    """Build a pretrained backbone and load its weights.

    A name needs no network connection if its file ships with the package or
    was downloaded before (into torch.hub's folder), and its checksum is
    always compared; that of a file whose name ends in eight digits of it,
    such as ``…-1a2b3c4d.pth``, too.

    Args:
        name_or_path: Name of an entry of the zoo, or a checkpoint file of
            this package: of a run, published, or a backbone alone.

    Returns:
        The backbone in eval mode on the CPU; (N, 3, T, H, W) float32 clips,
        normalised as by the config's preprocessor, in; feature maps out.

    Raises:
        ValueError: If neither name nor file is known, the checksum differs,
            the file does not say which network it belongs to, or its
            weights do not fit that.
    """
    path = str(name_or_path)
    if osp.isfile(path):
        digest = re.search(r'-([0-9a-f]{8})\.pth$', path)
        check_digest(path, digest[1] if digest else '')
    else:
        path = checkpoint_path(path)
    file = CheckpointLoader.load_checkpoint(path, map_location='cpu')
    config = file.get('meta', {}).get('mosi_mmaction', {}).get('backbone')
    if not config:
        raise ValueError(
            f"{path}: meta['mosi_mmaction']['backbone'] does not say which "
            'network it is; build it from its config and load it with '
            'mmengine.runner.load_checkpoint'
        )
    init_default_scope('mmaction')
    backbone = MODELS.build(_checked(config, path))
    weights = backbone_weights(file)
    names = backbone.state_dict()
    missing, extra = set(names) - set(weights), set(weights) - set(names)
    shapes = {
        k
        for k, v in names.items()
        if k in weights and v.shape != weights[k].shape
    }
    if missing or extra or shapes:
        raise ValueError(
            f'{path}: the weights are not those of its {config["type"]}: '
            f'missing {sorted(missing)}, unknown {sorted(extra)}, of '
            f'another shape {sorted(shapes)}'
        )
    backbone.load_state_dict(weights)
    backbone.eval()  # which returns nothing where a network overrides train
    return backbone


def checkpoint_path(name: str) -> str:
    """Return the file of an entry of the zoo.

    It is downloaded if it neither ships with the package nor was downloaded
    before; its checksum is compared in any case.

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
            torch.hub.download_url_to_file(weights, path, hash_prefix=digest)
    else:
        path = str(_SHIPPED / weights)
    check_digest(path, digest)
    return path


def _checked(config: dict, path: str) -> dict[str, Any]:
    """Return a backbone's config that builds nothing but a network.

    A registry imports whatever a type with dots in it names, and the file
    may be a stranger's.

    Raises:
        ValueError: If it asks for anything else.
    """

    def plain(node: Any) -> Any:
        if isinstance(node, (list, tuple)):
            return type(node)(plain(v) for v in node)
        if not isinstance(node, dict):
            return node
        kind = node.get('type', '')
        if not re.fullmatch(r'\w*', str(kind)):
            raise ValueError(
                f'{path}: refused, as its network asks for '
                f'type={kind!r}, which no registry holds'
            )
        return {
            k: plain(v) for k, v in node.items() if k not in _INITIALISED_FROM
        }

    return plain(config)


@CheckpointLoader.register_scheme(prefixes=SCHEME, force=True)
def load_from_zoo(filename: str, map_location: Any = None) -> dict:
    """Load ``mosi://NAME``, the scheme that ``load_from`` knows."""
    return CheckpointLoader.load_checkpoint(
        checkpoint_path(filename[len(SCHEME) :]), map_location
    )
