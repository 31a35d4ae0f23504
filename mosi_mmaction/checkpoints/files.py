"""Write checkpoint files completely or not at all; check their digests."""

import io
import json
import zipfile
from hashlib import sha256

import torch
from mmengine import fileio
from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner import CheckpointLoader

from ..files import whole_file

#: Key of this package's data in the metadata of checkpoints and exports.
METADATA = 'mosi_mmaction'


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """The local disk, on which files appear completely or not at all.

    The backend writes a new file with the suffix ``.tmp``, flushes it to disk
    and renames it. A file left behind by a kill is overwritten next time.
    """

    def put(self, obj: bytes, filepath: str) -> None:
        """Write a file.

        Raises:
            OSError: If the disk is full or the path not writable; an older
                file of that name is then unchanged.
        """
        with whole_file(filepath, f'{filepath}.tmp') as part:
            part.write_bytes(obj)


def read_checkpoint(path: str) -> dict:
    """Read a checkpoint onto the CPU: torch's format, or safetensors.

    Returns:
        A dict with ``state_dict`` and ``meta``, as runs write them.

    Raises:
        ValueError: If it is damaged or holds more than weights.
        ImportError: If it is ``.safetensors`` and that is not installed.
    """
    if not str(path).endswith('.safetensors'):
        return CheckpointLoader.load_checkpoint(
            path, map_location='cpu', logger='silent'
        )
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ImportError(
            f'{path}: {error}; `pip install "mosi_mmaction[export]"`'
        ) from error
    try:
        with safe_open(path, framework='pt') as file:
            weights = {key: file.get_tensor(key) for key in file.keys()}
            about = json.loads((file.metadata() or {}).get(METADATA, '{}'))
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f'{path}: not a file of safetensors, or a damaged one: {error}'
        ) from error
    return dict(state_dict=weights, meta={METADATA: about})


def whole(path: str) -> bool:
    """Return whether a checkpoint file was written to its end.

    Args:
        path: Local file. The archives that torch writes contain checksums,
            which are compared; of older formats only the first bytes are
            checked.
    """
    with open(path, 'rb') as file:
        start = file.read(4)
    if start != b'PK\x03\x04':
        return start[:1] == b'\x80'  # a plain pickle, of torch < 1.6
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, NotImplementedError):
        return False


def save_published(
    content: dict, stem: str, backend_args: dict | None = None
) -> str:
    """Save a checkpoint under a name that contains its checksum.

    Args:
        content: Checkpoint to save.
        stem: Path without extension.
        backend_args: Arguments of MMEngine's file backend; None is the local
            disk.

    Returns:
        The path: stem, ``-``, the first eight hexadecimal digits of the
        file's SHA-256, ``.pth``.
    """
    with io.BytesIO() as buffer:
        torch.save(content, buffer)
        raw = buffer.getvalue()
    path = f'{stem}-{sha256(raw).hexdigest()[:8]}.pth'
    fileio.put(raw, path, backend_args or {'backend': 'atomic'})
    return path


def check_digest(path: str, digest: str) -> str:
    """Compare the SHA-256 of a file with its first digits; return it in full.

    Raises:
        ValueError: If they differ.
    """
    with open(path, 'rb') as file:
        actual = sha256(file.read()).hexdigest()
    if not actual.startswith(digest):
        raise ValueError(
            f'{path}: its SHA-256 is {actual}, but should begin with '
            f'{digest}: the file was damaged or replaced; delete it and get '
            'it again'
        )
    return actual
