"""Write files completely or not at all; read logs that were cut off."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def part_of(path: Path) -> Path:
    """Return the path where to make a file or directory before renaming it.

    Each process has its own, as several may make the same file at once. The
    suffix is kept, because some writers depend on it.
    """
    return path.with_name(f'.part-{os.getpid()}-{path.name}')


@contextmanager
def whole_file(
    path: str | os.PathLike, part: str | os.PathLike | None = None
) -> Iterator[Path]:
    """Make a file appear under its name once it is complete and on disk.

    Parent directories are made. If the block raises, an older file of that
    name is unchanged and nothing is left behind.

    Args:
        path: File to write.
        part: Temporary path in the same directory. The default belongs to
            this process alone; a fixed one is overwritten next time if the
            process is killed.

    Yields:
        The temporary path to write to.
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
    # The name must reach the disk as well.
    _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file in UTF-8; make its parent directories."""
    with whole_file(path) as part:
        part.write_text(text, encoding='utf-8', errors='surrogateescape')


def read_json_lines(path: str | os.PathLike) -> Iterator[dict]:
    """Yield the objects of a log, without lines that a kill cut off."""
    with open(path, encoding='utf-8', errors='replace') as file:
        for line in file:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue
