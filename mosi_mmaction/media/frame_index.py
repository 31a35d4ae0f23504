"""The frames that a video presents, according to its packets.

Decoding from the start and counting is always right, but slow for long
videos. Time stamps find a frame if container and codec allow a proof:

- every packet has its own time stamp, so frame k is the one with the k-th
  smallest of them;
- the first packet is a keyframe and no frame is presented before it, so that
  decoding from the start loses none.

AVI has no time stamps. In MPEG-4, the types of the frames tell the order in
which they are presented, and the number of a frame serves as its time stamp.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import av

# Containers in which a packet's time stamp is that of one frame; in others it
# is a guess.
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

# MPEG-4: a frame that is not coded has fewer bytes after its start code.
_VOP = b'\0\0\1\xb6'
_PLACEHOLDER = 16

_I, _P, _B = 0, 1, 2

# Packets between two progress reports.
_PACKETS = 1000

#: Limit of the packets of one video that are kept in memory, in bytes.
KEPT = 2**26


class Packet(NamedTuple):
    """A packet as described by the container, and its number in the file."""

    number: int
    pts: int | None
    dts: int | None
    pos: int
    size: int
    is_key: bool
    is_hidden: bool


@dataclass(frozen=True)
class Index:
    """The frames that a video presents.

    Attributes:
        count: Number of frames.
        stamps: Time stamps of all frames in order; if empty, frames must be
            counted.
        keys: Keyframes in order.
        key_stamps: Time stamps of the keyframes.
        packets: All packets of PyAV in order; empty if they are too large, or
            if some cannot be decoded without those before them.
        is_typed: Whether the time stamps are those of :func:`_typed`.
    """

    count: int
    stamps: Sequence[int] = ()
    keys: Sequence[Packet] = ()
    key_stamps: Sequence[int] = ()
    packets: Sequence[Any] = ()
    is_typed: bool = False


def stamps_frames(container: str, codec: str) -> bool:
    """Return whether the time stamp of a packet is that of one frame.

    Args:
        container: FFmpeg's name of the container.
        codec: FFmpeg's name of the codec.
    """
    return codec in _STAMPED.get(container, ())


def read_index(
    packets: Iterable[Any],
    container: str,
    codec: str,
    tick: Callable[[], None],
) -> Index | None:
    """Return the frames that a video presents, if its packets define them.

    Args:
        packets: All packets of the video from PyAV, in order.
        container: FFmpeg's name of the container.
        codec: FFmpeg's name of the codec.
        tick: Function called regularly while there is progress.

    Returns:
        The index; None if frames must be decoded to be counted.
    """
    found: list[Packet] = []
    kept = _Kept()
    kinds = []
    check = container == 'avi' and codec == 'mpeg4'
    try:
        for number, p in enumerate(packets):
            kept.add(p)
            if not p.size:
                continue  # the end, or an empty packet
            found.append(
                Packet(
                    *(number, p.pts, p.dts, p.pos, p.size),
                    # A keyframe that is cut off is no place to start from.
                    *(p.is_keyframe and not p.is_corrupt, p.is_discard),
                )
            )
            if check:
                kinds.append(_vop(bytes(p)))
            if not len(found) % _PACKETS:
                tick()
    except av.FFmpegError:
        return None
    index = None
    if stamps_frames(container, codec) and {*kinds} <= {_I, _P}:
        index = _stamped(found)
    if index is None and check and -1 not in kinds:
        index = _typed(found, kinds, kept.packets)
        if index is None and found[:1] and found[0].is_key:
            index = Index(len(found))
    return index and replace(index, packets=kept.packets)


class _Kept:
    """The packets of a video, unless they are too many bytes."""

    def __init__(self) -> None:
        self.packets: list = []
        self._room: float = KEPT

    def add(self, packet: Any) -> None:
        """Keep a packet, or from now on none."""
        self._room -= packet.size
        # Later packets depend on a change of the decoder's parameters.
        if self._room < 0 or packet.has_sidedata('new_extradata'):
            self.packets, self._room = [], float('-inf')
        else:
            self.packets.append(packet)


def _vop(raw: bytes) -> int:
    """Return the type of the one MPEG-4 frame in a packet.

    Returns:
        0 for I, 1 for P, 2 for B, 3 for S (sprite). -1 if there is none or
        more than one ("packed bitstream"), or if it is a placeholder for a
        frame that is presented elsewhere or not at all.
    """
    at = raw.find(_VOP)
    if (
        at < 0
        or len(raw) < at + _PLACEHOLDER
        or raw.find(_VOP, at + len(_VOP)) >= 0
    ):
        return -1
    return raw[at + len(_VOP)] >> 6


def _typed(
    found: Sequence[Packet], kinds: Sequence[int], kept: Sequence[Any]
) -> Index | None:
    """Return the index of MPEG-4 with B-frames, and stamp its packets.

    A B-frame is presented when it is decoded, any other frame when the next
    one that is no B-frame is.

    Args:
        found: All packets.
        kinds: Type of the one frame in every packet.
        kept: The packets of PyAV, which get the numbers of their frames as
            time stamps.

    Returns:
        The index; None if there are other frames than I, P and B, or frames
        that cannot be presented.
    """
    if not kept or kinds[:1] != [_I] or kinds[1:2] == [_B] or max(kinds) > _B:
        return None
    order, held = [], 0
    for n, kind in enumerate(kinds[1:], 1):
        if kind == _B:
            order.append(n)
        else:
            order.append(held)
            held = n
    order.append(held)
    stamped = [*found]
    for stamp, n in enumerate(order):
        packet = found[n]
        is_key = packet.is_key and kinds[n] == _I
        stamped[n] = packet._replace(pts=stamp, is_key=is_key)
        kept[packet.number].pts = stamp
    index = _stamped(stamped)
    return index and replace(index, is_typed=True)


def _stamped(packets: Sequence[Packet]) -> Index | None:
    """Return the index if time stamps prove it, otherwise None."""
    shown = [p for p in packets if not p.is_hidden]
    keys = [p for p in packets if p.is_key]
    stamps = sorted(p.pts for p in shown if p.pts is not None)
    key_stamps = [p.pts for p in keys if p.pts is not None]
    if not shown or not packets[0].is_key:
        return None
    if (
        len(stamps) < len(shown)
        or len(key_stamps) < len(keys)
        or any(a >= b for a, b in zip(stamps, stamps[1:]))
        or any(a >= b for a, b in zip(key_stamps, key_stamps[1:]))
        or stamps[0] < key_stamps[0]
    ):
        return None
    return Index(len(stamps), stamps, keys, key_stamps)
