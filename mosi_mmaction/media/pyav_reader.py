"""Read the frames of a video with PyAV.

*Frame k is the k-th frame presented when decoding from the start, upright.*
Decoding from the start and counting is always right, but slow for long
videos. So a reader seeks if :mod:`.frame_index` has a proof from time stamps,
and if the first frame is the wanted keyframe, according to its time stamp.
Packets are read once and kept. Those of large files are not; there, the first
packet after seeking must be that of the keyframe, according to its position
in the file.

Videos without an index of time stamps are decoded from the start and their
frames counted. If a keyframe cannot be found by seeking, the video is decoded
up to it.

It runs in :mod:`mosi_mmaction.media.decoder_process`, and imports nothing
from the package except its neighbours.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from .frame_index import Index, Packet, read_index, stamps_frames
from .pyav_stream import VideoStream

# Codecs whose frames are all independent, and the number of frames up to which
# decoding is preferred to seeking.
_ALONE = {'huffyuv', 'mjpeg', 'png', 'prores'}
_NEAR = 4

# Codecs in which unwanted B-frames are not decoded. Nothing depends on these
# frames, even if the file is damaged, and no other frame is presented later.
_SKIPPED = {'mpeg4'}


class PyAVReader:
    """An open video.

    Args:
        path: Path on the local disk.
        tick: Function called regularly while there is progress.

    Raises:
        ValueError: If it is not a video that can be read.
    """

    name = 'pyav'

    def __init__(self, path: str, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._stream = VideoStream(path, tick)
        self.container = self._stream.container
        self.codec = self._stream.codec
        self.fps = self._stream.fps
        self.header_frames = self._stream.header_frames
        self.num_pixels = self._stream.size[0] * self._stream.size[1]
        self._packets: Sequence[Any] = ()  # all, if they are kept
        self._start_anew()

    @property
    def turned(self) -> bool:
        """Whether frames are rotated, according to the first decoded one."""
        return self._stream.turned

    @property
    def num_frames(self) -> int:
        """Number of frames that the video presents."""
        return self.index.count

    @property
    def seeks(self) -> bool:
        """Whether frames are found by time stamps instead of counting."""
        return bool(self.index.stamps)

    def know_count(self, count: int) -> None:
        """Set the number of frames that was counted before."""
        self.index = Index(count)

    def count(self) -> int:
        """Decode everything; return the actual number of frames."""
        self._stream.open(to_count=True)
        self._stream.wanted = None
        decoded = sum(1 for _ in self._stream.frames())
        self._open()
        return decoded

    def _open(self) -> None:
        """Open the file, at its start."""
        self._stream.open()
        self._start_anew()

    def _start_anew(self) -> None:
        packets = iter(self._packets) if self._packets else None
        self._source = self._stream.frames(packets)
        self._position = 0  # of the next frame, if frames are counted
        self._stamp: float = float('-inf')  # of the last frame, otherwise
        # The keyframe that decoding started from: none yet.
        self._start: int | None | tuple = ()
        self._ahead: list = []

    @cached_property
    def _key_stamps(self) -> list[int]:
        """Time stamps of the keyframes that decoding may start from."""
        return list(self.index.key_stamps)

    @cached_property
    def _key_packets(self) -> list[Packet]:
        return list(self.index.keys)

    @cached_property
    def index(self) -> Index:
        """The frames that the video presents."""
        index = read_index(
            self._stream.packets(), self.container, self.codec, self._tick
        )
        if index is None:
            return Index(self.count())
        if index.is_typed and not self._stream.delays(index.packets[0]):
            index = Index(index.count)
        self._packets = index.packets
        if self._packets:
            self._start_anew()
        else:
            self._open()
        return index

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
        count = self.num_frames
        stamps = self.index.stamps
        find = self._find if stamps else self._count
        if stamps and self.codec in _SKIPPED:
            self._stream.wanted = {
                stamps[index] for index in indices if 0 <= index < count
            }
        for index in indices:
            frame = find(index) if 0 <= index < count else None
            if frame is None:
                raise ValueError(
                    f'frame {index} does not exist or cannot be decoded; '
                    f'there should be {count}'
                )
            yield self._stream.picture(frame)

    def read_keyframe(self, share: float) -> tuple[int, np.ndarray]:
        """Decode one keyframe.

        Args:
            share: Number in [0, 1) that selects the keyframe.

        Returns:
            Index and picture, (H, W, 3) uint8 RGB; of any frame if there are
            no time stamps in the file.

        Raises:
            ValueError: If it cannot be decoded.
        """
        found = self._quick_keyframe(share)
        if found is not None:
            return found[0], self._stream.picture(found[1])
        index = self.index
        if index.stamps and not index.is_typed:
            stamp = index.key_stamps[int(share * len(index.keys))]
            number = bisect_right(index.stamps, stamp) - 1
        else:
            number = int(share * index.count)
        number = max(number, 0)
        return number, next(self.read([number]))

    def _quick_keyframe(self, share: float) -> tuple[int, Any] | None:
        """Decode a keyframe of an MP4 file, whose index has all positions.

        Only the packet of the keyframe and those up to the next keyframe must
        be read, as frames that are presented earlier may follow it.

        Returns:
            Index and frame; None if they are not proven right.
        """
        if 'index' in self.__dict__ or self.container != 'mov':
            return None
        entries = self._stream.entries()
        keys = [n for n, entry in enumerate(entries) if entry.is_keyframe]
        if (
            not stamps_frames('mov', self.codec)
            or keys[:1] != [0]
            or any(entry.is_discard for entry in entries)
        ):
            return None
        at = int(share * len(keys))
        for n in sorted({0, keys[at]}):
            end = [*keys, len(entries)][bisect_right(keys, n)]
            last = entries[end - 1] if end == len(entries) else entries[end]
            packets = self._stream.packets_at(
                entries[n], last.timestamp - (end < len(entries)), end - n
            )
            if not packets or None in [p.pts for p in packets]:
                self._open()
                return None
            before = sum(p.pts < packets[0].pts for p in packets)
            if n == 0 and before:
                self._open()  # decoding from the start loses them
                return None
            number = n + before
        frame = self._stream.decode_key(packets)
        self._open()
        return None if frame is None else (number, frame)

    def _count(self, index: int) -> Any:
        if index < self._position:
            self._open()
        for frame in self._source:
            self._position += 1
            if self._position > index:
                return frame
        return None

    def _find(self, index: int) -> Any:
        """Decode a frame by its time stamp.

        Decoding always starts from the last usable keyframe before the frame
        and never continues across it, so that the result for a damaged file
        does not depend on earlier reads.
        """
        wanted = self.index.stamps[index]
        while True:
            number = bisect_right(self._key_stamps, wanted) - 1
            key = self._key_stamps[number] if number >= 0 else None
            ahead = self._stamp < wanted
            if ahead and (key == self._start or self._is_near(key)):
                break
            if key is None:
                self._open()
                self._start = None
                break
            if self._go(self._key_packets[number]):
                self._start = key
                break
            del self._key_stamps[number], self._key_packets[number]
        while True:
            frame = self._ahead.pop() if self._ahead else None
            frame = frame or next(self._source, None)
            if frame is None:
                self._stamp = float('inf')
                return None
            if frame.pts is None or frame.pts <= self._stamp:
                continue
            if frame.pts > wanted:
                self._ahead.append(frame)
                return None
            self._stamp = frame.pts
            if frame.pts == wanted:
                return frame

    def _is_near(self, key: int | None) -> bool:
        """Return whether seeking is unnecessary, as frames are independent."""
        stamps = self.index.stamps
        return (
            key is not None
            and self.codec in _ALONE
            and bisect_right(stamps, key) - bisect_right(stamps, self._stamp)
            < _NEAR
        )

    def _go(self, key: Packet) -> bool:
        """Seek to a keyframe; return whether decoding yields it first."""
        self._start = ()
        packets: Iterator | None
        if self._packets:
            self._stream.flush()
            packets = islice(self._packets, key.number, None)
        else:
            packets = self._stream.seek(key)
        if packets is None:
            return False
        self._source = self._stream.frames(packets)
        self._stamp = float('-inf')
        self._ahead.clear()
        for frame in self._source:
            if frame.pts is None:
                return False
            if frame.pts >= key.pts:
                self._ahead.append(frame)
                return frame.pts == key.pts and bool(frame.key_frame)
        return False
