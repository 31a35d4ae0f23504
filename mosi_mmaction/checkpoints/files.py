"""Write checkpoint files whole or not at all, and check their digests."""

import io
import zipfile
from hashlib import sha256

import torch
from mmengine import fileio
from mmengine.fileio import LocalBackend, register_backend

from ..files import whole_file


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """The local disk, but a file is there whole or not at all.

    Beside the file, a new one with ``.tmp`` at its end is written and, as
    soon as it is on the disk, renamed. What a kill leaves behind is
    overwritten the next time.
    """

    def put(self, obj: bytes, filepath: str) -> None:
        """Write a file.

        Raises:
            OSError: If the disk is full, or the place not writable; an
                older file of that name is still there then.
        """
        with whole_file(filepath, f'{filepath}.tmp') as part:
            part.write_bytes(obj)


def whole(path: str) -> bool:
    """Say whether a checkpoint file was written to its end.

    Args:
        path: A local file. The archives that torch writes carry checksums,
            which are compared; of files of older formats only the first
            bytes are looked at.
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
    """Save a checkpoint under a name that tells its checksum.

    Args:
        content: The checkpoint.
        stem: Path without extension.
        backend_args: Of MMEngine's file backend; None is the local disk.

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
    """Compare the SHA-256 of a file with its first digits; return it whole.

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
