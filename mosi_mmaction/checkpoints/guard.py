"""Load checkpoints without executing their content."""

import functools
import pickle
import re
import zipfile
from collections.abc import Callable
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader


def _guard(load: Callable) -> Callable:

    @functools.wraps(load)
    def guarded(filename: str, *args, **kwargs) -> Any:
        try:
            checkpoint = load(filename, *args, **kwargs)
        except pickle.UnpicklingError as error:
            found = re.search(
                r'Unsupported (?:global|class|operand|instruction)[^\n]*'
                r'|getattr\([^\n]*|GLOBAL \S+',
                str(error),
            )
            what = f' ({found[0]})' if found else ''
            raise ValueError(
                f'{filename}: refused, as it holds more than weights and '
                f'numbers{what}. Loading it would run code written by '
                'whoever made the file'
            ) from error
        except (RuntimeError, EOFError, zipfile.BadZipFile) as error:
            reason = (str(error) or repr(error)).split('\n')[0]
            raise ValueError(
                f'{filename}: not a checkpoint, or one that was not written '
                f'to its end: {reason}'
            ) from error
        if not isinstance(checkpoint, dict):
            raise ValueError(
                f'{filename}: not a checkpoint, but a '
                f'{type(checkpoint).__name__}'
            )
        meta = checkpoint.get('meta')
        if isinstance(meta, dict) and meta.pop('config', None) is not None:
            # The Runner would execute it (mmengine/runner/runner.py:2028).
            print_log(f'{filename}: meta.config is ignored', 'current')
        return checkpoint

    return guarded


def guard_loading() -> None:
    """Refuse checkpoints that contain code; say what is wrong with others.

    This applies to every scheme of MMEngine's CheckpointLoader, and so to
    ``load_from``, ``--resume``, tests, and its ``load_checkpoint()``.
    """
    for prefix, load in list(CheckpointLoader._schemes.items()):
        if not hasattr(load, '__wrapped__'):
            CheckpointLoader.register_scheme(prefix, _guard(load), force=True)
