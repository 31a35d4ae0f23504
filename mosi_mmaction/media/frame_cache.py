"""A cache of decoded videos in memory."""

import contextlib
from collections.abc import Iterable

import numpy as np

from .errors import BadSourceError
from .video import VideoFile


class KeptVideo:
    """A video with all frames in memory.

    Args:
        path: Path of the video file, for messages.
        frames: All frames, (N, H, W, 3) uint8 RGB.
        fps: Average frame rate in Hz.
    """

    def __init__(self, path: str, frames: np.ndarray, fps: float) -> None:
        self.path = path
        self.num_frames = len(frames)
        self.fps = fps
        self._frames = frames

    def read(self, indices: Iterable[int]) -> np.ndarray:
        """Return copies of frames: (N, H, W, 3) uint8 RGB.

        Raises:
            BadSourceError: If a frame does not exist.
        """
        indices = [int(i) for i in indices]
        if min(indices) < 0 or max(indices) >= self.num_frames:
            raise BadSourceError(
                self.path,
                f'not all of the frames {indices} exist; it has '
                f'{self.num_frames}',
            )
        return self._frames[indices]


class FrameCache:
    """Decoded videos, kept in memory until the cache is full.

    Videos are never evicted: an epoch visits each video once, so the most
    recent one is needed last. A file that changes meanwhile is not read
    again.

    Args:
        max_bytes: Limit of all frames together, in bytes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._kept: dict[tuple, KeptVideo | None] = {}

    def open(
        self,
        path: str,
        backend_args: dict | None = None,
        decoder: str | None = None,
    ) -> VideoFile | KeptVideo:
        """Return a video, with all frames in memory if there is room.

        A video with a frame that cannot be decoded is not kept, so that its
        other frames can be used.

        Args:
            path: Path of the video file.
            backend_args: Arguments of MMEngine's file backend; None is the
                local disk.
            decoder: See :class:`~mosi_mmaction.media.video.VideoFile`.

        Raises:
            BadSourceError: If it cannot be opened or has no frame.
        """
        key = path, repr(backend_args), decoder
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        video = VideoFile(path, backend_args, decoder)
        if key in self._kept:  # did not fit, or is damaged
            return video
        self._kept[key] = None
        if 3 * video.num_frames * video.facts['pixels'] > self._room:
            return video
        with contextlib.suppress(BadSourceError):
            # A copy, so that the shared memory can be written again.
            frames = video.read(range(video.num_frames)).copy()
            self._room -= frames.nbytes
            self._kept[key] = KeptVideo(path, frames, video.fps)
        return self._kept[key] or video
