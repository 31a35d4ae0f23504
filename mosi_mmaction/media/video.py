"""Read the frames of videos: frame k, upright, or the reason why not.

*Frame k of a video is the k-th frame presented when the video is decoded from
the start, rotated as its container says.*
"""

import mmap
import os
import sys
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .decoder_client import DecoderLostError, ask, check_decoder
from .errors import BadSourceError
from .frame_memory import KEPT
from .image import MIN_SIDE, check_local
from .storage import storage

# What was read and how, as text, in memory that forked workers share.
_SLOTS, _WIDTH = 256, 64
_kinds = mmap.mmap(-1, _SLOTS * _WIDTH)


def kinds_read() -> list[str]:
    """Return which decoder has read which kinds of video.

    This covers the process and the workers forked from it.

    Returns:
        For example ``['pyav: avi, mpeg4, in order']``.
    """
    slots = (_kinds[n * _WIDTH : (n + 1) * _WIDTH] for n in range(_SLOTS))
    return sorted(s.rstrip(b'\0').decode() for s in slots if s.rstrip(b'\0'))


def _note(facts: dict) -> None:
    way = 'by time stamps' if facts['seeks'] else 'in order'
    kind = filter(None, (facts['container'], facts['codec'], way))
    raw = f'{facts["decoder"]}: {", ".join(kind)}'.encode()[:_WIDTH]
    raw = raw.ljust(_WIDTH, b'\0')
    start = zlib.crc32(raw)
    for n in range(_SLOTS):
        at = (start + n) % _SLOTS * _WIDTH
        found = _kinds[at : at + _WIDTH]
        if found == raw:
            return
        if not found.strip(b'\0'):
            _kinds[at : at + _WIDTH] = raw
            return


class _File:
    """A video file about which requests can be sent.

    Raises:
        BadSourceError: If there is no such file, or it may not be read.
    """

    def __init__(
        self, path: str, backend_args: dict | None, decoder: str | None
    ) -> None:
        self._path = path
        self._decoder = check_decoder(decoder)
        try:
            check_local(path, backend_args, sys.maxsize)
            # Kept, because deleting it deletes the copy of a remote file.
            self._copy = storage(path, backend_args).get_local_path(path)
            self._local = self._copy.__enter__()
            if not os.path.getsize(self._local):
                raise BadSourceError(path, 'the file is empty')
            with open(self._local, 'rb'):
                pass  # raises the system's own error
        except OSError as error:
            raise BadSourceError(path, error.strerror or str(error)) from error

    def ask(self, what: str, argument: Any = None) -> Any:
        return ask(what, self._path, self._local, self._decoder, argument)


class VideoFile:
    """A video, decoded in another process that may crash or hang.

    Args:
        path: Path of the video file.
        backend_args: Arguments of MMEngine's file backend; None is the
            local disk.
        decoder: Decoder to force, ``'pyav'`` or ``'decord'``: it gives the
            right frames or refuses the file. None uses the environment
            variable ``MOSI_DECODER``, or else chooses for each file.

    Attributes:
        num_frames: Number of frames. In a damaged file some may be missing.
        fps: Average frame rate in Hz; 0 if the file does not say.
        facts: Properties of the file: ``decoder``, ``container``, ``codec``,
            ``seeks`` (whether frames are found by time stamps instead of in
            order), ``header_frames`` (as stated in the file header, may be
            wrong; 0 if not stated), ``num_frames``, ``fps`` and ``pixels``
            (per frame).

    Raises:
        BadSourceError: If it cannot be opened or has no frame.
    """

    def __init__(
        self,
        path: str,
        backend_args: dict | None = None,
        decoder: str | None = None,
    ) -> None:
        self.path = path
        self._file = _File(path, backend_args, decoder)
        self.facts = facts = self._file.ask('open')
        self.num_frames, self.fps = facts['num_frames'], facts['fps']
        if not self.num_frames:
            raise BadSourceError(path, 'the video has no frame')
        _note(facts)

    def read(self, indices: Iterable[int]) -> np.ndarray:
        """Return frames: (N, H, W, 3) uint8 RGB.

        Raises:
            BadSourceError: If a frame cannot be decoded.
        """
        wanted = [int(i) for i in indices]
        different = sorted({*wanted})
        # A frame requested twice is copied, as transforms write in place.
        size = 3 * self.facts['pixels'] * len(wanted)
        if len(different) == len(wanted) or size <= KEPT:
            return self._file.ask('read', wanted)[0]
        frames, _ = self._file.ask('read', different)
        return frames[np.searchsorted(different, wanted)]


def inspect(
    path: str, backend_args: dict | None = None, decoder: str | None = None
) -> dict:
    """Decode a whole video, to compare its content with its header.

    Returns:
        The facts of :class:`VideoFile`, and ``decoded_frames``.

    Raises:
        BadSourceError: If it cannot be opened.
    """
    return _File(path, backend_args, decoder).ask('inspect')


def read_frame(
    path: str,
    choose: Callable[[int], int],
    backend_args: dict | None = None,
    decoder: str | None = None,
) -> np.ndarray:
    """Decode one frame of a video.

    Files often have fewer frames than they state, or damaged ones. If the
    chosen frame cannot be decoded, one of those before it is chosen, and
    finally the first one is tried.

    Args:
        path: Path of the video file.
        choose: Function from the number of frames to an index.
        backend_args: Arguments of MMEngine's file backend; None is the
            local disk.
        decoder: See :class:`VideoFile`.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        BadSourceError: If there is no frame that can be decoded there.
    """
    video = VideoFile(path, backend_args, decoder)
    total = video.num_frames
    for attempt in range(3):
        index = choose(total)
        try:
            img = video.read([index])[0]
            break
        except BadSourceError as error:
            if not index or isinstance(error, DecoderLostError):
                raise
            total = index if attempt == 0 else 1
    return _large_enough(path, img)


def read_keyframe(
    path: str,
    share: float,
    backend_args: dict | None = None,
    decoder: str | None = None,
) -> tuple[int, np.ndarray]:
    """Decode one of the frames that are coded without reference to others.

    In a long MP4 file this takes a fraction of the time that other frames
    take. In a file without time stamps, it can be any frame.

    Args:
        path: Path of the video file.
        share: Number in [0, 1) that selects the frame.
        backend_args: Arguments of MMEngine's file backend; None is the
            local disk.
        decoder: See :class:`VideoFile`.

    Returns:
        Index of the frame, and (H, W, 3) uint8 RGB.

    Raises:
        BadSourceError: If it cannot be decoded.
    """
    file = _File(path, backend_args, decoder)
    frames, (index, facts) = file.ask('keyframe', share)
    _note(facts)
    return index, _large_enough(path, frames[0])


def _large_enough(path: str, img: np.ndarray) -> np.ndarray:
    if min(img.shape[:2]) < MIN_SIDE:
        raise BadSourceError(
            path,
            f'{img.shape[1]}x{img.shape[0]} pixels; each side needs at '
            f'least {MIN_SIDE}',
        )
    return img
