"""Find the package's configs from anywhere."""

import difflib
import os.path as osp
from pathlib import Path

_CONFIGS = Path(__file__).resolve().parents[1] / '.mim' / 'configs'


def config_path(name: str) -> str:
    """Return the path of a config of this package.

    In another project's config::

        _base_ = [__import__('mosi_mmaction').config_path(
            'mosi_r2p1d_hmdb')]

    Args:
        name: Path below ``configs``, with or without ``.py``.

    Raises:
        FileNotFoundError: If there is no such config; names those like it.
    """
    path = _CONFIGS / (name if name.endswith('.py') else name + '.py')
    if not path.is_file():
        there = sorted(
            p.relative_to(_CONFIGS).with_suffix('').as_posix()
            for p in _CONFIGS.rglob('*.py')
            if '_base_' not in p.parts
        )
        bare = name.removesuffix('.py').removeprefix('configs/')
        near = difflib.get_close_matches(bare, there, 3)
        if near:
            told = f'did you mean {" or ".join(near)}?'
        elif bare.startswith('tiny/') or '/' not in bare:
            told = f'there are: {", ".join(there)}'
        else:  # a path
            told = 'its names are those of the files below configs/'
        raise FileNotFoundError(f'no config {name!r} in mosi_mmaction; {told}')
    return str(path)


def find_config(config: str) -> str:
    """Return the path of a user's CONFIG argument.

    Args:
        config: Path of any config file, or a name for :func:`config_path`.

    Raises:
        FileNotFoundError: If it is neither; names those like it.
    """
    if osp.isfile(config):
        return config
    if config.endswith(('.pth', '.safetensors')):
        raise FileNotFoundError(_no_checkpoint(config))
    try:
        return config_path(config)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'there is no file {config!r}, and {error}'
        ) from None


def _no_checkpoint(path: str) -> str:
    folder, name = osp.split(path)
    found = sorted(
        p.name for p in Path(folder).glob(f'*{osp.splitext(name)[1]}')
    )
    near = difflib.get_close_matches(name, found, 3, 0) or found[:3]
    if not near:
        return f'there is no checkpoint {path!r}'
    meant = ' or '.join(osp.join(folder, other) for other in near)
    return f'there is no checkpoint {path!r}; did you mean {meant}?'
