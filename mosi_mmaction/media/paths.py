"""Find source files in a tree or a list file, and store many paths compactly.

A source is an image, a video, or a directory of extracted frames.
"""

import codecs
import hashlib
import io
import os
import os.path as osp
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from natsort import natsorted

from .storage import list_files, storage

IMAGE_EXTENSIONS = frozenset(
    '.avif .bmp .dib .gif .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm '
    '.ppm .tif .tiff .webp'.split()
)
VIDEO_EXTENSIONS = frozenset(
    '.3gp .asf .avi .divx .f4v .flv .m2ts .m2v .m4v .mkv .mov .mp4 .mp4v '
    '.mpeg .mpg .mts .mxf .ogv .qt .ts .vob .webm .wmv .y4m'.split()
)

#: Names of directories that are halves of a dataset, and what for.
HALVES = {
    'train': 'train',
    'training': 'train',
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'test': 'test',
    'testing': 'test',
}

_TRAILING_INTEGERS = re.compile(r'^(.*?\S)((?:\s+-?\d+)+)\s*$')


def extension(path: str) -> str:
    """Return the extension of a path in lower case, including the dot."""
    return osp.splitext(path)[1].lower()


def natural_order(names: Iterable[str]) -> list[str]:
    """Return names in natural order, whatever order they come in."""
    # natsort keeps the order of names that are equal to it: v1 and v01.
    return natsorted(sorted(names))


class PathList:
    """Paths in two flat arrays instead of one Python object each.

    Forked workers share the arrays; a list of ``str`` would be copied page by
    page as reference counts change.

    Args:
        paths: Paths to store, iterated over once.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        blob, ends = bytearray(), array('q')
        for path in paths:
            blob += path.encode('utf-8', 'surrogateescape')
            ends.append(len(blob))
        self._blob = np.frombuffer(blob, np.uint8)
        self._ends = (
            np.frombuffer(ends, np.int64) if ends else np.zeros(0, np.int64)
        )

    def __len__(self) -> int:
        """Number of paths."""
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        """Return one path."""
        index = range(len(self))[index]
        start = self._ends[index - 1] if index else 0
        raw = self._blob[start : self._ends[index]].tobytes()
        return raw.decode('utf-8', 'surrogateescape')

    def __iter__(self) -> Iterator[str]:
        """Iterate over all paths."""
        return (self[i] for i in range(len(self)))


def in_validation(path: str, val_fraction: float) -> bool:
    """Return whether a file is held out, by a hash of its relative path.

    Args:
        path: Path relative to the data root, as listed.
        val_fraction: Expected share of held-out files, in (0, 1).
    """
    raw = path.replace('\\', '/').encode('utf-8', 'surrogateescape')
    digest = hashlib.blake2b(raw, digest_size=8).digest()
    return int.from_bytes(digest, 'big') < val_fraction * 2**64


def scan_tree(
    root: str,
    frame_dirs: bool = False,
    backend_args: dict | None = None,
    left_out: Counter | None = None,
) -> Iterator[str]:
    """Yield the media files of a tree in natural order.

    Args:
        root: Directory to scan recursively; hidden files are ignored.
        frame_dirs: Whether a directory of images is one source (the extracted
            frames of a video) instead of many.
        backend_args: Arguments of MMEngine's file backend; None is the local
            disk.
        left_out: Counter of ignored files by extension.

    Yields:
        Paths relative to ``root``.
    """
    wanted = IMAGE_EXTENSIONS | VIDEO_EXTENSIONS
    if frame_dirs:
        wanted = IMAGE_EXTENSIONS
    names = list_files(root, True, backend_args)

    def media() -> Iterator[str]:
        for name in names:
            if name.startswith('.') or f'{os.sep}.' in name:
                continue  # listed by a backend
            if (kind := extension(name)) in wanted:
                yield name
            elif left_out is not None:
                left_out[kind] += 1

    found: Iterable[str] = media()
    if frame_dirs:
        found = {osp.dirname(n) for n in found}
    return iter(natural_order(found))


def given_halves(paths: Sequence[str]) -> dict[str, list[int]]:
    """Return which paths are in the halves that a tree already has.

    Args:
        paths: Relative to the root of the tree.

    Returns:
        Indices by ``'train'``, ``'val'`` and ``'test'``; empty unless every
        path begins with the name of a half (see :data:`HALVES`), and there
        are ``'train'`` and another one.
    """
    halves: dict[str, list[int]] = {}
    for index, path in enumerate(paths):
        first, slash, _ = path.replace('\\', '/').partition('/')
        half = HALVES.get(first.lower()) if slash else None
        if half is None:
            return {}
        halves.setdefault(half, []).append(index)
    return halves if 'train' in halves and len(halves) > 1 else {}


def describe_counts(left_out: Counter) -> str:
    """Return ``'18 .heic, 2 .txt, 1 without extension'``, most first."""
    return ', '.join(
        f'{n} {kind or "without extension"}'
        for kind, n in left_out.most_common(8)
    )


def list_frames(folder: str, backend_args: dict | None = None) -> list[str]:
    """Return the image names in a directory of frames, in natural order."""
    names = list_files(folder, backend_args=backend_args)
    return natural_order(n for n in names if extension(n) in IMAGE_EXTENSIONS)


def decode_lines(raw: bytes, name: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of every non-empty line of a list.

    A byte order mark is ignored. Lines end in LF, CR LF or, in a file without
    any LF, in CR.

    Args:
        raw: Content of the list file, UTF-8.
        name: Path of the file, for the message.

    Raises:
        ValueError: If a line is not UTF-8; gives its number.
    """
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if b'\n' not in raw:
        raw = raw.replace(b'\r', b'\n')
    # No split(), which would hold millions of lines at once.
    for number, line in enumerate(io.BytesIO(raw), 1):
        try:
            text = line.decode('utf-8').strip('\r\n')
        except UnicodeDecodeError as error:
            raise ValueError(
                f'{name}, line {number}: not UTF-8 ({error}); save the '
                'list as UTF-8'
            ) from error
        if text.strip():
            yield number, text


def check_list(
    paths: Sequence[str] | PathList,
    ann_file: str,
    root: str,
    backend_args: dict | None = None,
) -> None:
    """Stop early if a list is written in another format.

    Only a few files are checked. If none exists, but one would exist if its
    line were read differently, that is the cause.

    Args:
        paths: Paths of the list, relative to ``root``.
        ann_file: Path of the list file, for the message.
        root: Directory that the paths are relative to.
        backend_args: Arguments of MMEngine's file backend; None is the local
            disk.

    Raises:
        ValueError: If the cause is known; says how to fix it.
    """
    exists = _exists_below(root, backend_args)
    few = [paths[i] for i in range(0, len(paths), len(paths) // 8 + 1)]
    if not few or any(exists(path) for path in few):
        return
    for path in few:
        bare = path.strip().strip('\'"')
        for other, cause in (
            (bare, 'quotes and blanks around a path belong to it here'),
            (bare.replace('\\', '/'), 'its backslashes separate nothing here'),
            (
                re.sub(r'\s+\d+$', '', bare),
                'a line is a path and a label, without a number of frames',
            ),
            (
                re.split('[,;\t]', bare)[0],
                'path and label are not separated by a blank, or by '
                'delimiter if that is set',
            ),
        ):
            if other and other != path and exists(other):
                raise ValueError(
                    f'{ann_file}: none of the files looked for is there: '
                    f'{path!r} is not below {root!r}, but {other!r} is: '
                    f'{cause}. Change the list accordingly'
                )
        if root and storage(path, backend_args).exists(path):
            raise ValueError(
                f'{ann_file}: none of the files looked for is there: '
                f'{path!r} is not below {root!r}, but is there without it. '
                'Leave the prefix out, or remove it from the list'
            )


def read_list(
    ann_file: str, root: str, backend_args: dict | None = None
) -> Iterator[str]:
    """Yield the paths of a list file, one source per line.

    If the whole line is an existing path, it is that path; otherwise it is a
    path followed by integers (a label, or frame count and label). Blanks,
    commas and a leading ``#`` are part of a path; there are no comments.
    Empty lines are skipped.

    Args:
        ann_file: Path of the list file, UTF-8.
        root: Directory that the paths are relative to.
        backend_args: Arguments of MMEngine's file backend; None is the local
            disk.

    Raises:
        FileNotFoundError: If the list does not exist.
        ValueError: If a line cannot be read; gives its number.
    """
    raw = storage(ann_file, backend_args).get(ann_file)
    exists = _exists_below(root, backend_args)
    for number, text in decode_lines(raw, ann_file):
        if '\0' in text:
            raise ValueError(
                f'{ann_file}, line {number}: contains a NUL byte, so it is '
                'not a path; is this a text file?'
            )
        # Shortcut: a line that does not end in a digit has no integers.
        if text.rstrip()[-1].isdecimal():
            text = _path_of_line(text, exists)
        yield text


def _exists_below(
    root: str, backend_args: dict | None
) -> Callable[[str], bool]:
    if not root:
        return lambda path: storage(path, backend_args).exists(path)
    # Looked up once: finding the backend takes longer than using it.
    backend = storage(root, backend_args)
    return lambda path: backend.exists(backend.join_path(root, path))


def _path_of_line(text: str, exists: Callable[[str], bool]) -> str:
    labelled = _TRAILING_INTEGERS.match(text)
    if labelled is None:
        return text
    # Only such a line is ambiguous, so only then the disk is checked.
    if exists(text):
        return text
    path, integers = labelled.groups()
    # 'clip 2.avi 7' has one integer to drop, 'a b 16 3' may have two: use the
    # longest path that exists, or the shortest if none does.
    *ends, _ = (m.end() for m in re.finditer(r'\s+-?\d+', integers))
    for end in reversed(ends):
        longer = path + integers[:end]
        if exists(longer):
            return longer
    return path


def join(root: str, path: str, backend_args: dict | None = None) -> str:
    """Join root and path, for any file backend."""
    return storage(root, backend_args).join_path(root, path) if root else path


def kind_of(path: str) -> tuple[str, str]:
    """Return a source's key in ``results`` and its kind.

    Returns:
        ``('filename', 'video')`` or ``('img_path', 'image')``, depending on
        the extension.
    """
    if extension(path) in VIDEO_EXTENSIONS:
        return 'filename', 'video'
    return 'img_path', 'image'
