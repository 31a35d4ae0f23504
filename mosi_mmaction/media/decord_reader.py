"""Read the frames of a video with decord, if they are proven right.

decord 0.6 silently seeks to wrong frames in MPEG-4 with B-frames, MPEG-1/2,
WMV and some H.265, and replaces a frame that it cannot decode by the last one
it has. So this reader never lets it seek and stops at the first repetition.
Even when reading in order, decord numbers frames wrongly in MPEG-TS and if an
edit list hides frames, takes the wrong one of two streams, and does not rotate
Matroska. Therefore the number of frames and the first frame must agree with
PyAV.

It runs in :mod:`mosi_mmaction.media.decoder_process`, and imports nothing
from the package except its neighbours.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import decord
import numpy as np

decord.logging.set_level(decord.logging.QUIET)

# The first bytes of a file, and the container that they identify.
_SIGNATURES = {
    b'RIFF': 'avi',
    b'\x1aE\xdf\xa3': 'matroska',
    b'0&\xb2u': 'asf',
    b'\0\0\1\xba': 'mpeg',
}
_MOV = (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip')

# Allowed share of repeated frames: stop at the first one.
_NO_REPEATS = 1e-9

# Largest mean difference of two decoders' first frames, in grey levels.
_SAME = 12


class DecordReader:
    """An open video.

    Args:
        path: Path on the local disk.
        tick: Function called regularly while there is progress.
        judge: Class that reads with PyAV; None if PyAV does not load, in
            which case only AVI with one video stream is read.

    Raises:
        ValueError: If the file cannot be read, or the frames cannot be proven
            right.
    """

    name = 'decord'
    codec = ''
    seeks = False
    header_frames = 0

    def __init__(
        self, path: str, tick: Callable[[], None], judge: Any = None
    ) -> None:
        with open(path, 'rb') as file:
            head = file.read(2**16)
        self.container = _SIGNATURES.get(head[:4], '')
        if head[4:8] in _MOV:
            self.container = 'mov'
        if not self.container:
            raise ValueError(
                'decord does not number the frames of this kind of file in '
                'the order in which they are presented'
            )
        self._path, self._tick = path, tick
        try:
            self._open()
        except decord.DECORDError as error:
            # It calls a stream that it has no decoder for none at all.
            if 'cannot find video stream' not in str(error):
                raise
            codec = judge(path, tick).codec if judge is not None else 'it'
            raise ValueError(
                f'the FFmpeg inside decord has no decoder for {codec}: leave '
                'this file to PyAV'
            ) from error
        self.num_frames = len(self._reader)
        self.fps = float(self._reader.get_avg_fps())
        first = self._next()
        self.num_pixels = first.shape[0] * first.shape[1]
        if judge is not None:
            self._compare(judge(path, tick), first)
        elif self.container != 'avi' or head.count(b'vids') != 1:
            raise ValueError(
                'only PyAV can prove that decord gives the right frames, '
                'but it does not load'
            )
        self._open()

    def _compare(self, judge: Any, first: np.ndarray) -> None:
        self.codec = judge.codec
        if judge.num_frames != self.num_frames:
            raise ValueError(
                f'decord counts {self.num_frames} frames, but '
                f'{judge.num_frames} are presented'
            )
        right = next(judge.read([0]))
        if (
            (judge.turned and self.container != 'mov')
            or right.shape != first.shape
            or np.abs(right.astype(np.int16) - first).mean() > _SAME
        ):
            raise ValueError(
                'the first frame of decord differs from that of PyAV'
            )

    def know_count(self, count: int) -> None:
        """Do nothing: opening is quick."""

    def count(self) -> int:
        """Decode everything; return the actual number of frames."""
        self._open()
        for _ in range(self.num_frames):
            self._next()
        return self.num_frames

    def _open(self) -> None:
        # By path: with an open file, decord crashes on truncated AVIs.
        self._reader = decord.VideoReader(
            self._path, num_threads=1, fault_tol=_NO_REPEATS
        )
        self._position = 0

    def _next(self) -> np.ndarray:
        self._position += 1
        if not self._position % 8:
            self._tick()
        return self._reader.next().asnumpy()

    def read_keyframe(self, share: float) -> tuple[int, np.ndarray]:
        """Decode any frame: index and picture, (H, W, 3) uint8 RGB."""
        index = int(share * self.num_frames)
        return index, next(self.read([index]))

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Decode frames.

        Args:
            indices: Sorted frame indices, without repetitions.

        Yields:
            (H, W, 3) uint8 RGB, all of one size; each is valid until the
            next.

        Raises:
            ValueError: If one of the frames does not exist.
        """
        for index in indices:
            if not 0 <= index < self.num_frames:
                raise ValueError(
                    f'frame {index} does not exist; there are '
                    f'{self.num_frames}'
                )
            if index < self._position:
                self._open()
            while self._position <= index:
                frame = self._next()
            yield frame
