"""Files on the local disk or in MMEngine's file backends.

MMEngine is imported only for the latter, because it imports torch, and a tool
that scans a directory should respond at once.
"""

import contextlib
import os
import os.path as osp
from collections.abc import Iterator
from typing import Any


class LocalDisk:
    """The interface of MMEngine's file backends, for local paths."""

    exists = staticmethod(osp.exists)
    isdir = staticmethod(osp.isdir)
    join_path = staticmethod(osp.join)

    @staticmethod
    def get(path: str) -> bytes:
        """Return the bytes of a file."""
        # A buffer would cost more system calls than reading takes.
        with open(path, 'rb', buffering=0) as file:
            return file.read()

    @staticmethod
    @contextlib.contextmanager
    def get_local_path(path: str) -> Iterator[str]:
        """Yield the path itself."""
        yield path


def storage(path: str, backend_args: dict | None = None) -> Any:
    """Return the backend of a path: the local disk, or one of MMEngine.

    Args:
        path: Path, or URI such as ``s3://bucket/file``.
        backend_args: Arguments of MMEngine's file backend; None chooses by
            the path.
    """
    if not backend_args and '://' not in path:
        return LocalDisk
    from mmengine import fileio

    return fileio.get_file_backend(path, backend_args=backend_args)


def list_files(
    root: str, recursive: bool = False, backend_args: dict | None = None
) -> Iterator[str]:
    """Yield the files of a directory, relative to it, in any order.

    On the local disk links are followed, except those to a parent directory
    of the link.

    Args:
        root: Directory to list.
        recursive: Whether its subdirectories are listed too.
        backend_args: See :func:`storage`.
    """
    if storage(root, backend_args) is LocalDisk:
        return _walk(root, recursive)
    from mmengine import fileio

    return fileio.list_dir_or_file(
        root, list_dir=False, recursive=recursive, backend_args=backend_args
    )


def _walk(root: str, recursive: bool) -> Iterator[str]:
    todo = [(root, '', frozenset((osp.realpath(root),)))]
    while todo:
        folder, below, above = todo.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith('.'):
                    continue
                name = osp.join(below, entry.name)
                if entry.is_file():
                    yield name
                elif recursive and entry.is_dir():
                    here = osp.realpath(entry.path)
                    if here not in above:
                        todo.append((entry.path, name, above | {here}))
