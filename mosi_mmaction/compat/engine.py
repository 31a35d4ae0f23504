"""Support for MMEngine and its maintained fork alike.

The distributions ``mmengine`` and ``onedl-mmengine`` both install a directory
``mmengine``. File and line refer to onedl-mmengine 0.10.12.
"""

import base64
import csv
import hashlib
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

_NEEDS = 'mosi_mmaction needs mmengine>=0.10.3,<0.11'
_INSTALL = (
    'run `pip uninstall -y mmengine onedl-mmengine && pip install '
    '"mmengine>=0.10.3,<0.11"`'
)


def apply() -> None:
    """Check MMEngine and make the fork as safe as the original; idempotent.

    Raises:
        ImportError: If MMEngine is missing or incomplete, unsuitable, or
            mixed from two distributions; the message names the command to
            run.
    """
    check_mmengine()
    refuse_code_in_checkpoints()


def check_mmengine() -> None:
    """Check that there is one complete MMEngine of a suitable version.

    pip silently installs one distribution over the other, and removing one
    also removes files of the other. mmaction2 requires ``mmengine``, so users
    of the fork easily end up with both.

    Raises:
        ImportError: If it is missing, incomplete, mixed or unsuitable.
    """
    try:
        import mmengine.config
        import mmengine.runner
    except ImportError as error:
        if (error.name or '').partition('.')[0] != 'mmengine':
            raise  # one of its own requirements
        raise ImportError(
            f'{_NEEDS}, of which a part or all is missing: {_INSTALL}'
        ) from error
    version = getattr(mmengine, '__version__', '0')
    digits = mmengine.utils.digit_version
    if not digits('0.10.3') <= digits(version) < digits('0.11'):
        raise ImportError(f'{_NEEDS}, but found {version}: {_INSTALL}')
    found = {}
    for name in ('mmengine', 'onedl-mmengine'):
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
    if len(found) == 2 and all(map(_was_changed, found.values())):
        raise ImportError(
            f'{_NEEDS}, but its files are mixed from the distributions '
            f'mmengine and onedl-mmengine: {_INSTALL}'
        )


def _was_changed(distribution: metadata.Distribution) -> bool:
    """Return whether a file of a distribution is missing or modified."""
    # Its attribute ``files`` omits missing files.
    record = distribution.read_text('RECORD') or ''
    for name, digest, _ in csv.reader(record.splitlines()):
        if not name.endswith('.py'):
            continue
        path = Path(str(distribution.locate_file(name)))
        if not path.is_file():
            return True
        kind, _, told = digest.partition('=')
        found = hashlib.new(kind, path.read_bytes()).digest()
        if base64.urlsafe_b64encode(found).decode().rstrip('=') != told:
            return True
    return False


def refuse_code_in_checkpoints() -> None:
    """Keep the fork from running code in a checkpoint.

    The fork allows the real getattr, and loads files that torch refuses again
    with ``weights_only=False`` (``mmengine/runner/checkpoint.py:64``). Its
    loader is replaced by ``torch.load``, for which
    :func:`~mosi_mmaction.compat.imports.allow_history_buffers` is sufficient.
    The original has no such function.
    """
    from mmengine.runner import checkpoint

    if not hasattr(checkpoint, '_safe_torch_load'):
        return

    def load(
        file: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> Any:
        return torch.load(
            file, map_location=map_location, weights_only=weights_only
        )

    checkpoint._safe_torch_load = load
