"""Read frames of videos."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from mmengine import fileio

from .decoder_client import (
    _decoder,
    _DecoderLostError,
    _local,
)
from .errors import BadSourceError
from .image import MIN_SIDE, check_local

os.register_at_fork(after_in_child=lambda: _local.__dict__.clear())


class FrameCache:
    """Decoded videos, kept in memory until it is full.

    Nothing is ever thrown out for something newer: an epoch visits each
    video once, so that what was used last is what is needed last.

    A video is decoded in one pass. Without a cache decord jumps, and finds
    a neighbour of the wanted frame in damaged and in some H.265 files.

    Args:
        max_bytes: Of all frames together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._kept: dict[tuple, tuple | None] = {}

    def get(self, key: tuple) -> tuple[np.ndarray, float] | None:
        """Return all frames, (N, H, W, 3) uint8, and fps; None if absent."""
        return self._kept.get(key)

    def add(self, key: tuple, video: 'Video') -> np.ndarray | None:
        """Return all frames of a video and keep them, if there is room.

        What has a frame that cannot be decoded is not kept, so that the
        others can be used.
        """
        if key in self._kept:
            return None
        # What has failed is not tried again.
        self._kept[key] = None
        with contextlib.suppress(BadSourceError):
            if video.num_frames * video.decode([0]).nbytes > self._room:
                return None
            frames = video.decode(range(video.num_frames))
            self._kept[key] = frames, video.fps
            self._room -= frames.nbytes
            return frames
        return None


class Video:
    """A video, decoded in another process that may crash, hang or swell.

    Decord decodes; where it is not installed (it has no wheel but for
    x86-64) PyAV does. One video is open at a time.

    Args:
        path: The video file.
        backend_args: Of MMEngine's file backend; None is the local disk.
        cache: Where decoded frames are kept, and taken from. A file that
            changes meanwhile is not read again.

    Attributes:
        num_frames: As the file has it, which need not be true.
        fps: Average frame rate in Hz.

    Raises:
        BadSourceError: If it cannot be opened or has no frame.
    """

    def __init__(
        self,
        path: str,
        backend_args: dict | None = None,
        cache: FrameCache | None = None,
    ) -> None:
        self.path = path
        self._cache = cache
        self._key = path, repr(backend_args)
        self._frames = None
        kept = cache.get(self._key) if cache else None
        if kept:
            self._frames, self.fps = kept
            self.num_frames = len(self._frames)
            return
        try:
            check_local(path, sys.maxsize)
            with fileio.get_local_path(path, backend_args) as local:
                if not os.path.getsize(local):
                    raise BadSourceError(path, 'the file is empty')
                with open(local, 'rb'):
                    pass  # decord does not say that it may not
                self.num_frames, self.fps = self._open(local)
        except OSError as error:
            raise BadSourceError(path, error.strerror or str(error)) from error
        if not self.num_frames:
            raise BadSourceError(path, 'the video has no frame')

    def _open(self, local: str) -> tuple:
        request = os.path.abspath(local)
        running = _decoder().running
        try:
            return _decoder().ask(request, self.path)
        except _DecoderLostError:
            if not running:
                raise
            # The video before this one may have been what killed it.
            return _decoder().ask(request, self.path)

    def read(self, indices: Iterable[int]) -> np.ndarray:
        """Return frames: (N, H, W, 3) uint8 RGB.

        Raises:
            BadSourceError: If one of them cannot be decoded.
        """
        indices = [int(i) for i in indices]
        frames = self._frames
        if frames is None and self._cache:
            frames = self._frames = self._cache.add(self._key, self)
        if frames is None:
            return self.decode(indices)
        if min(indices) < 0 or max(indices) >= len(frames):
            raise BadSourceError(
                self.path,
                f'of frames {indices} not all are there; it has {len(frames)}',
            )
        return frames[indices]

    def decode(self, indices: Sequence[int]) -> np.ndarray:
        """As :meth:`read`, from the file itself."""
        # In parts, as the decoder's memory is limited.
        parts = [
            _decoder().ask(list(indices[i : i + 8]), self.path)
            for i in range(0, len(indices), 8)
        ]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]


def read_frame(
    path: str,
    choose: Callable[[int], int],
    backend_args: dict | None = None,
) -> np.ndarray:
    """Decode one frame of a video.

    Files often have fewer frames than they say, or a damaged one. If the
    chosen frame cannot be decoded, one is chosen from those before it, and
    at last the first one is tried.

    Args:
        path: The video file.
        choose: Called with the number of frames; returns an index.
        backend_args: Of MMEngine's file backend; None is the local disk.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        BadSourceError: If there is no frame that can be decoded there.
    """
    video = Video(path, backend_args)
    total = video.num_frames
    for attempt in range(3):
        index = choose(total)
        try:
            img = video.read([index])[0]
            break
        except BadSourceError as error:
            if not index or isinstance(error, _DecoderLostError):
                raise
            total = index if attempt == 0 else 1
    if min(img.shape[:2]) < MIN_SIDE:
        raise BadSourceError(
            path,
            f'{img.shape[1]}x{img.shape[0]} pixels; at least '
            f'{MIN_SIDE} a side are needed',
        )
    return img
