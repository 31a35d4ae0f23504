"""Files and directories that are whole or absent."""

import os
from pathlib import Path


def part_of(path: Path) -> Path:
    """Return where to make a file or folder, to be renamed when whole.

    A call has its own, since several may make the same thing at once.
    """
    return path.with_name(f'{path.name}.{os.getpid()}.part')


def write_text(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    part.write_text(text, encoding='utf-8', errors='surrogateescape')
    part.replace(path)
