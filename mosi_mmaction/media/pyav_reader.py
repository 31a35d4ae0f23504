"""Read the frames of a video with PyAV.

*Frame k is the k-th frame that decoding from the start presents, upright.*
Decoding from the start and counting is always right, and slow in long
videos. A reader seeks where container and codec allow a proof:

- every packet has a time stamp of its own, so that frame k is the one that
  carries the k-th smallest of them;
- the first packet is a keyframe and no frame is presented before it, so that
  decoding from the start loses none;
- after a seek the first packet is the wanted keyframe, by its place in the
  file, and the first frame is that keyframe's, by its time stamp.

A video that fails the first two is decoded from the start and counted; a
keyframe that fails the third is not sought, but decoded up to.

:mod:`mosi_mmaction.media.decoder_process` loads this file by its path; it
imports nothing of the package.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

#: Videos with larger frames are refused.
MAX_PIXELS = 2**27

#: The containers that are opened. FFmpeg knows more; some open other files,
#: or hosts, that a playlist names, or make a video of a text.
CONTAINERS = (
    'asf avi dv flv gif h264 hevc ivf m4v matroska mjpeg mov mpeg mpegts '
    'mpegvideo mxf nut obu ogg rm swf wtv yuv4mpegpipe'.split()
)

# Where the time stamp of a packet is that of one frame. Others guess them.
_STAMPED = {
    'mov': {
        *('av1', 'ffv1', 'h263', 'h264', 'hevc', 'mjpeg', 'mpeg4', 'png'),
        *('prores', 'qtrle', 'vp9'),
    },
    'matroska': {
        *('av1', 'ffv1', 'h264', 'hevc', 'mjpeg', 'mpeg4', 'prores', 'vp9'),
    },
    'avi': {'ffv1', 'huffyuv', 'mjpeg', 'mpeg4'},
}

# Codecs whose frames all stand alone, and how many frames ahead one is that
# is decoded up to instead of sought.
_ALONE = {'huffyuv', 'mjpeg', 'png', 'prores'}
_NEAR = 4

# MPEG-4: a frame that is not coded takes fewer bytes after its start code.
_VOP = b'\0\0\1\xb6'
_PLACEHOLDER = 16

# How often there is a sign of life.
_PACKETS, _FRAMES = 1000, 8


class Packet(NamedTuple):
    """What the container says of a packet."""

    pts: int | None
    dts: int | None
    pos: int
    size: int
    is_key: bool
    is_hidden: bool


class Index(NamedTuple):
    """The frames that a video presents.

    Attributes:
        count: Number of frames.
        stamps: Time stamps of all frames in order. Empty: count them.
        keys: Keyframes in order.
        key_stamps: Their time stamps.
    """

    count: int
    stamps: Sequence[int] = ()
    keys: Sequence[Packet] = ()
    key_stamps: Sequence[int] = ()


def upright(matrix: bytes | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that turns images as a display matrix says.

    Args:
        matrix: Nine 32-bit integers; None is upright.

    Returns:
        From (H, W, 3) to a view of (H, W, 3) or (W, H, 3). Angles that are
        no multiples of 90 degrees are left as they are.
    """
    if matrix is None:
        return lambda image: image
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):  # a quarter turn
        y, x = 1 if b >= 0 else -1, 1 if c >= 0 else -1
        return lambda image: image.transpose(1, 0, 2)[::y, ::x]
    y, x = 1 if d >= 0 else -1, 1 if a >= 0 else -1
    return lambda image: image[::y, ::x]


class PyAVReader:
    """An open video.

    Args:
        path: A file of the local disk.
        tick: Called now and then while there is progress.

    Raises:
        ValueError: If it is not a video that can be read.
    """

    name = 'pyav'

    def __init__(self, path: str, tick: Callable[[], None]) -> None:
        try:
            path.encode()
            self._url = f'file:{path}'
        except UnicodeEncodeError:  # PyAV takes no other names
            self._file = open(path, 'rb')
            self._url = f'file:/proc/self/fd/{self._file.fileno()}'
        self._tick = tick
        self._scaler = VideoReformatter()
        self._turn: Callable | None = None
        #: Whether frames are turned, as seen in the first one decoded.
        self.turned = False
        self._open()
        self.container = self._container.format.name.split(',')[0]
        context = self._stream.codec_context
        self.codec = context.codec.canonical_name
        self._size = context.width, context.height
        if not all(self._size):
            raise ValueError('the size of its frames is not known')
        if self._size[0] * self._size[1] > MAX_PIXELS:
            raise ValueError(
                f'{self._size[0]}x{self._size[1]} pixels are more than the '
                f'{MAX_PIXELS} that may be decoded'
            )
        self.fps = float(self._stream.average_rate or 0)
        self.header_frames = self._stream.frames
        self.num_pixels = self._size[0] * self._size[1]

    @property
    def num_frames(self) -> int:
        """Number of frames that the video presents."""
        return self.index.count

    @property
    def seeks(self) -> bool:
        """Whether frames are found by time stamps, or else by counting."""
        return bool(self.index.stamps)

    def know_count(self, count: int) -> None:
        """Take the number of frames that counting them has found before."""
        self.index = Index(count)

    def count(self) -> int:
        """Decode everything; return the number of frames that are there."""
        self._open()
        decoded = sum(1 for _ in self._source)
        self._open()
        return decoded

    # ------------------------------------------------------------- opening
    def _open(self) -> None:
        """Open the file, at its start."""
        options = dict(
            format_whitelist=','.join(CONTAINERS), protocol_whitelist='file'
        )
        try:
            self._container = av.open(
                self._url, metadata_errors='ignore', container_options=options
            )
        except av.error.ArgumentError as error:
            raise ValueError('it is not a video') from error
        streams = self._container.streams
        if not streams.video:
            raise ValueError('it has no video stream')
        best = streams.best('video') or streams.video[0]
        pictures = av.stream.Disposition.attached_pic
        if best.disposition & pictures:  # cover art
            best = next(
                (s for s in streams.video if not s.disposition & pictures),
                best,
            )
        if best.codec_context is None:
            raise ValueError('there is no decoder for its video')
        # One thread: CPU time is what training runs short of, and which
        # frames of a damaged file are lost must not hang on chance.
        best.codec_context.thread_count = 1
        self._stream = best
        self._source = self._frames()
        self._position = 0  # of the next frame, where frames are counted
        self._stamp: float = float('-inf')  # of the last one, where not
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
        packets, plain, whole = [], True, True
        check = self.container == 'avi' and self.codec == 'mpeg4'
        try:
            for p in self._container.demux(self._stream):
                if not p.size:
                    continue  # the end, or nothing
                packets.append(
                    Packet(
                        *(p.pts, p.dts, p.pos, p.size),
                        *(p.is_keyframe, p.is_discard),
                    )
                )
                if check:
                    kind = _vop(bytes(p))
                    whole = whole and kind >= 0
                    plain = plain and kind in (0, 1)
                if not len(packets) % _PACKETS:
                    self._tick()
        except av.FFmpegError:
            whole = plain = False
        index = None
        codecs = _STAMPED.get(self.container, ())
        if plain and self.codec in codecs:
            index = _stamped(packets)
        if index is None and check and whole and packets[:1]:
            if packets[0].is_key:
                index = Index(len(packets))
        self._open()
        if index is None:
            index = Index(self.count())
        return index

    # ------------------------------------------------------------ decoding
    def _frames(self, packets: Iterator | None = None) -> Iterator[Any]:
        """Decode to the end; leave out what cannot be decoded."""
        count = 0
        packets = packets or self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                packet = None  # the rest cannot be read
            if (
                packet is not None
                and not packet.size
                and packet.dts is not None
            ):
                continue
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.FFmpegError:
                frames = []
            for frame in frames:
                count += 1
                if not count % _FRAMES:
                    self._tick()
                yield frame
            if packet is None:
                return

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Decode frames.

        Args:
            indices: Sorted, without repeats.

        Yields:
            (H, W, 3) uint8 RGB, all of one size; each until the next.

        Raises:
            ValueError: If one of them is not there.
        """
        count = self.num_frames
        find = self._find if self.index.stamps else self._count
        for index in indices:
            frame = find(index) if 0 <= index < count else None
            if frame is None:
                raise ValueError(
                    f'frame {index} is not there or cannot be decoded; '
                    f'there are to be {count}'
                )
            yield self._picture(frame)

    def read_keyframe(self, share: float) -> tuple[int, np.ndarray]:
        """Decode one keyframe.

        Args:
            share: Number in [0, 1): which of them.

        Returns:
            Index and picture, (H, W, 3) uint8 RGB; of any frame where
            frames have to be counted.

        Raises:
            ValueError: If it cannot be decoded.
        """
        found = self._quick_keyframe(share)
        if found is not None:
            return found[0], self._picture(found[1])
        index = self.index
        if index.stamps:
            stamp = index.key_stamps[int(share * len(index.keys))]
            number = bisect_right(index.stamps, stamp) - 1
        else:
            number = int(share * index.count)
        number = max(number, 0)
        return number, next(self.read([number]))

    def _quick_keyframe(self, share: float) -> tuple[int, Any] | None:
        """Decode a keyframe of an MP4 file, whose index tells where all are.

        No other packets have to be read than the keyframe's and, as frames
        that are presented before it may follow it, those up to the next.

        Returns:
            Index and frame; None where that is not proven.
        """
        if 'index' in self.__dict__ or self.container != 'mov':
            return None
        entries = list(self._stream.index_entries)
        keys = [n for n, entry in enumerate(entries) if entry.is_keyframe]
        if (
            self.codec not in _STAMPED['mov']
            or keys[:1] != [0]
            or any(entry.is_discard for entry in entries)
        ):
            return None
        found = None
        at = int(share * len(keys))
        for n in sorted({0, keys[at]}):
            end = [*keys, len(entries)][bisect_right(keys, n)]
            last = entries[end - 1] if end == len(entries) else entries[end]
            packets = self._packets_at(
                entries[n], last.timestamp - (end < len(entries)), end - n
            )
            if not packets or None in [p.pts for p in packets]:
                return self._open()
            before = sum(p.pts < packets[0].pts for p in packets)
            if n == 0 and before:
                return self._open()  # decoding from the start loses them
            found = n + before, packets
        number, packets = found
        for packet in [*packets, None]:
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.FFmpegError:
                break
            for frame in frames:
                if frame.pts == packets[0].pts and frame.key_frame:
                    self._open()
                    return number, frame
        return self._open()

    def _packets_at(self, entry: Any, stamp: int, count: int) -> list:
        """Return packets from a keyframe on, the last up to a time stamp."""
        try:
            self._container.seek(stamp, stream=self._stream)
            packets = list(islice(self._container.demux(self._stream), count))
        except av.FFmpegError:
            return []
        first = packets[0] if packets else None
        same = first is not None and (first.pos, first.size) == (
            entry.pos,
            entry.size,
        )
        return packets if same else []

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

        Always from the last keyframe before it that decoding can start
        from, and never across it: what a damaged file shows must not depend
        on what was read before.
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
        """Return whether no seek is needed, as frames stand alone."""
        stamps = self.index.stamps
        return (
            key is not None
            and self.codec in _ALONE
            and bisect_right(stamps, key) - bisect_right(stamps, self._stamp)
            < _NEAR
        )

    def _go(self, key: Packet) -> bool:
        """Go to a keyframe; return whether decoding gives it first."""
        self._start = ()
        if not self._seek(key):
            return False
        self._stamp = float('-inf')
        self._ahead.clear()
        for frame in self._source:
            if frame.pts is None:
                return False
            if frame.pts >= key.pts:
                self._ahead.append(frame)
                return frame.pts == key.pts and bool(frame.key_frame)
        return False

    def _seek(self, key: Packet) -> bool:
        """Return whether the packet of a keyframe comes next."""
        for stamp in (key.pts, key.dts):
            if stamp is None:
                continue
            try:
                self._container.seek(stamp, stream=self._stream)
                packets = self._container.demux(self._stream)
                first = next(packets)
            except (av.FFmpegError, StopIteration):
                continue
            if (first.pos, first.size) == (key.pos, key.size):
                self._source = self._frames(chain([first], packets))
                return True
        return False

    def _picture(self, frame: Any) -> np.ndarray:
        if self._turn is None:
            matrix = frame.side_data.get('DISPLAYMATRIX')
            self.turned = matrix is not None
            self._turn = upright(None if matrix is None else bytes(matrix))
        width, height = self._size
        if frame.width * frame.height > MAX_PIXELS:
            raise ValueError(
                f'a frame has {frame.width}x{frame.height} pixels'
            )
        rgb = self._scaler.reformat(
            frame,
            width,
            height,
            'rgb24',
            interpolation=Interpolation.BICUBIC,
            threads=1,
        )
        plane = rgb.planes[0]
        return self._turn(
            np.ndarray(
                (height, width, 3),
                np.uint8,
                plane,
                strides=(plane.line_size, 3, 1),
            )
        )


def _vop(raw: bytes) -> int:
    """Return the type of the one MPEG-4 frame in a packet.

    Returns:
        0 for I, 1 for P, 2 for B, 3 for S (sprite). -1 if there is none,
        are several ("packed bitstream") or it is a placeholder for a frame
        that is presented elsewhere or not at all.
    """
    at = raw.find(_VOP)
    if (
        at < 0
        or len(raw) < at + _PLACEHOLDER
        or raw.find(_VOP, at + len(_VOP)) >= 0
    ):
        return -1
    return raw[at + len(_VOP)] >> 6


def _stamped(packets: Sequence[Packet]) -> Index | None:
    """Return the index if time stamps are proof, or None."""
    shown = [p.pts for p in packets if not p.is_hidden]
    keys = [p for p in packets if p.is_key]
    if None in shown or not shown or not packets[0].is_key:
        return None
    stamps = sorted(shown)
    key_stamps = [p.pts for p in keys]
    if (
        None in key_stamps
        or any(a >= b for a, b in zip(stamps, stamps[1:]))
        or any(a >= b for a, b in zip(key_stamps, key_stamps[1:]))
        or stamps[0] < key_stamps[0]
    ):
        return None
    return Index(len(stamps), stamps, keys, key_stamps)
