"""The frames that a video presents, according to its packets.

Decoding from the start and counting is always right, but slow for long
videos. Time stamps find a frame if container and codec allow a proof:

- every packet has its own time stamp, so frame k is the one with the k-th
  smallest of them;
- the first packet is a keyframe and no frame is presented before it, so that
  decoding from the start loses none.
"""

from collections.abc import Callable, Iterable, Sequence
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

# Packets between two progress reports.
_PACKETS = 1000


class Packet(NamedTuple):
    """A packet as described by the container."""

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
        stamps: Time stamps of all frames in order; if empty, frames must be
            counted.
        keys: Keyframes in order.
        key_stamps: Time stamps of the keyframes.
    """

    count: int
    stamps: Sequence[int] = ()
    keys: Sequence[Packet] = ()
    key_stamps: Sequence[int] = ()


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
    found, plain, whole = [], True, True
    check = container == 'avi' and codec == 'mpeg4'
    try:
        for p in packets:
            if not p.size:
                continue  # the end, or an empty packet
            found.append(
                Packet(
                    *(p.pts, p.dts, p.pos, p.size),
                    *(p.is_keyframe, p.is_discard),
                )
            )
            if check:
                kind = _vop(bytes(p))
                whole = whole and kind >= 0
                plain = plain and kind in (0, 1)
            if not len(found) % _PACKETS:
                tick()
    except av.FFmpegError:
        whole = plain = False
    index = None
    if plain and stamps_frames(container, codec):
        index = _stamped(found)
    if index is None and check and whole and found[:1] and found[0].is_key:
        index = Index(len(found))
    return index


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


def _stamped(packets: Sequence[Packet]) -> Index | None:
    """Return the index if time stamps prove it, otherwise None."""
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
