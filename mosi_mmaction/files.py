"""Write files whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def part_of(path: Path) -> Path:
    """Return where to make a file or directory, to be renamed when whole.

    A process has its own, since several may make the same thing at once. The
    suffix stays, as some writers go by it.
    """
    return path.with_name(f'.part-{os.getpid()}-{path.name}')


@contextmanager
def whole_file(
    path: str | os.PathLike, part: str | os.PathLike | None = None
) -> Iterator[Path]:
    """Make a file appear under its name when it is whole, and on the disk.

    Directories above it are made. If the block raises, an older file of that
    name is still there, and nothing else.

    Args:
        path: The file.
        part: Where to write it first, in the same directory. By default a
            place of this process alone; a fixed one is overwritten the next
            time, should the process be killed.

    Yields:
        Where to write it first.
    """
    path = Path(path)
    part = part_of(path) if part is None else Path(part)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        _to_disk(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    # The name, too, has to reach the disk.
    _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file, in UTF-8, and the directories above it."""
    with whole_file(path) as part:
        part.write_text(text, encoding='utf-8', errors='surrogateescape')
