"""An open video stream of PyAV: its packets, its frames, its pictures."""

from collections.abc import Callable, Collection, Iterator
from itertools import chain, islice
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from .frame_index import Packet

#: Videos with larger frames are refused.
MAX_PIXELS = 2**27

#: Allowed containers. FFmpeg supports more; some of them open other files or
#: hosts that a playlist names, or turn text into video.
CONTAINERS = (
    'asf avi dv flv gif h264 hevc ivf m4v matroska mjpeg mov mpeg mpegts '
    'mpegvideo mxf nut obu ogg rm swf wtv yuv4mpegpipe'.split()
)

# Tags that are not UTF-8 must not stop a video. PyAV 19 escapes them, and no
# longer takes the argument.
_TAGS = (
    {'metadata_errors': 'ignore'}
    if int(av.__version__.partition('.')[0]) < 19
    else {}
)

# Frames between two progress reports.
_FRAMES = 8


def upright(matrix: bytes | None) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that rotates images as a display matrix says.

    Args:
        matrix: Nine 32-bit integers; None means upright.

    Returns:
        A function from (H, W, 3) to a view of shape (H, W, 3) or (W, H, 3).
        Angles that are not multiples of 90 degrees are ignored.
    """
    if matrix is None:
        return lambda image: image
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):  # a quarter turn
        y, x = 1 if b >= 0 else -1, 1 if c >= 0 else -1
        return lambda image: image.transpose(1, 0, 2)[::y, ::x]
    y, x = 1 if d >= 0 else -1, 1 if a >= 0 else -1
    return lambda image: image[::y, ::x]


class VideoStream:
    """The best video stream of a file.

    Args:
        path: Path on the local disk.
        tick: Function called regularly while there is progress.

    Raises:
        ValueError: If it is not a video that can be read.
    """

    def __init__(self, path: str, tick: Callable[[], None]) -> None:
        try:
            path.encode()
            self._url = f'file:{path}'
        except UnicodeEncodeError:  # PyAV does not accept such names
            self._file = open(path, 'rb')
            self._url = f'file:/proc/self/fd/{self._file.fileno()}'
        self._tick = tick
        self._scaler = VideoReformatter()
        self._turn: Callable | None = None
        #: Whether frames are rotated, according to the first decoded one.
        self.turned = False
        #: Time stamps of the wanted frames. Others need not be decoded, if no
        #: frame refers to them. None: all are wanted.
        self.wanted: Collection[int] | None = None
        self.open()
        #: FFmpeg's names.
        self.container = self._container.format.name.split(',')[0]
        context = self._stream.codec_context
        self.codec = context.codec.canonical_name
        #: Width and height in pixels.
        self.size = context.width, context.height
        if not all(self.size):
            raise ValueError('the size of its frames is unknown')
        if self.size[0] * self.size[1] > MAX_PIXELS:
            raise ValueError(
                f'{self.size[0]}x{self.size[1]} pixels are more than the '
                f'{MAX_PIXELS} that may be decoded'
            )
        self.fps = float(self._stream.average_rate or 0)
        self.header_frames = self._stream.frames

    def open(self, to_count: bool = False) -> None:
        """Open the file, at its start.

        Args:
            to_count: Whether frames are only counted, so that their pixels
                need not be right.
        """
        options = dict(
            format_whitelist=','.join(CONTAINERS), protocol_whitelist='file'
        )
        try:
            self._container = av.open(
                self._url, container_options=options, **_TAGS
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
        # One thread: CPU time is scarce in training, and which frames of a
        # damaged file are lost must not depend on chance.
        best.codec_context.thread_count = 1
        if to_count:
            best.codec_context.options = dict(skip_loop_filter='all')
        self._stream = best

    def entries(self) -> list:
        """Return the entries of the container's own index."""
        return list(self._stream.index_entries)

    def packets(self) -> Iterator:
        """Yield the packets from here to the end."""
        return self._container.demux(self._stream)

    def frames(self, packets: Iterator | None = None) -> Iterator[Any]:
        """Decode to the end; skip what cannot be decoded.

        Args:
            packets: Packets to decode; by default all from here on.
        """
        count = 0
        packets = packets or self.packets()
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
            if self.wanted is not None and packet is not None:
                # Its header is always decoded: it can change the decoder.
                self._stream.codec_context.skip_frame = (
                    'DEFAULT' if packet.pts in self.wanted else 'NONREF'
                )
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

    def decode_key(self, packets: list) -> Any:
        """Return the frame of the first keyframe, or None.

        Args:
            packets: Packet of the keyframe, and packets that may be needed
                after it.
        """
        for packet in [*packets, None]:
            try:
                frames = self._stream.codec_context.decode(packet)
            except av.FFmpegError:
                return None
            for frame in frames:
                if frame.pts == packets[0].pts and frame.key_frame:
                    return frame
        return None

    def delays(self, packet: Any) -> bool:
        """Return whether frames are presented as the types of MPEG-4 tell.

        In some files the header contradicts the frames. Then the decoder
        presents some of them twice. In interlaced ones, it decodes a B-frame
        differently if it has not seen the first one.

        Args:
            packet: The first one of the video. Decoding starts anew after it.
        """
        context = self._stream.codec_context
        try:
            early = context.decode(packet)
            frames = context.decode(None)
        except av.FFmpegError:
            return False
        finally:
            context.flush_buffers()
        return not early and not any(f.interlaced_frame for f in frames)

    def flush(self) -> None:
        """Prepare the decoder for packets that do not follow the last one."""
        self._stream.codec_context.flush_buffers()

    def seek(self, key: Packet) -> Iterator[Any] | None:
        """Seek to a keyframe; return the packets from there on.

        Returns:
            The packets; None if the next packet is not the keyframe's,
            according to its position in the file.
        """
        for stamp in (key.pts, key.dts):
            if stamp is None:
                continue
            try:
                self._container.seek(stamp, stream=self._stream)
                packets = self.packets()
                first = next(packets)
            except (av.FFmpegError, StopIteration):
                continue
            if (first.pos, first.size) == (key.pos, key.size):
                return chain([first], packets)
        return None

    def packets_at(self, entry: Any, stamp: int, count: int) -> list:
        """Return packets from a keyframe on, the last up to a time stamp.

        Args:
            entry: Entry of the keyframe in the container's index.
            stamp: Time stamp to seek to.
            count: Number of packets.

        Returns:
            The packets; none if the keyframe does not come first.
        """
        try:
            self._container.seek(stamp, stream=self._stream)
            packets = list(islice(self.packets(), count))
        except av.FFmpegError:
            return []
        first = packets[0] if packets else None
        same = first is not None and (first.pos, first.size) == (
            entry.pos,
            entry.size,
        )
        return packets if same else []

    def picture(self, frame: Any) -> np.ndarray:
        """Return an upright frame, (H, W, 3) uint8 RGB, until the next one."""
        if self._turn is None:
            matrix = frame.side_data.get('DISPLAYMATRIX')
            self.turned = matrix is not None
            self._turn = upright(None if matrix is None else bytes(matrix))
        width, height = self.size
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
