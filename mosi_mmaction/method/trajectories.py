"""Paths beyond the paper: zoom, turn, swing; acceleration; shaking.

A path is a window that moves over the source image. Its position in whole
pixels is ``offsets`` of the plan, as in Eq. 2; a :class:`Warp` adds what needs
interpolation. All kinds follow the scheme of Eq. 2: each motion has a range,
the *room*, speed v uses the share v / K of it, and the start is uniform over
the values for which the end fits.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from .labels import COMPONENTS, LabelPool, mirrored, read_only

#: Largest and smallest side of a zooming window, as a ratio of the crop's.
#: From the widest to the narrowest window, the picture doubles in size.
MAX_ZOOM = 2**0.5

#: Smallest side of a source image for zoom and turn, in sides of the crop.
MIN_SPACE = 1.2

#: Largest angle of a turning window to either side, in radians.
MAX_TURN = np.pi / 4

#: Smallest and largest amplitude of a swing, in radians.
SWING = (np.radians(8), np.radians(15))

#: Distance of a swing's pivot from the centre of what swings, as a ratio of
#: the crop's side.
ARM = 0.5


@dataclass(frozen=True, eq=False)
class Warp:
    """Zoom and rotation of the window, in addition to its position.

    Pixel p of the crop shows the source at offset + c + a + s R (p - c - a),
    where c is the centre of the object (of the box, or of the crop), a the
    arm and R the rotation.

    Attributes:
        scale: Scale s, in source pixels per crop pixel, (C, N) float64.
        angle: Angle of R in radians, clockwise, (C, N) float64.
        arm: Arm a, from the centre to the pivot in pixels, (C, 2) float64.
    """

    scale: np.ndarray
    angle: np.ndarray
    arm: np.ndarray

    @cached_property
    def moves(self) -> np.ndarray:
        """Whether each clip is zoomed or rotated at all, (C,) bool."""
        return ((self.scale != 1) | (self.angle != 0)).any(1)

    def matrices(self) -> np.ndarray:
        """Return the affine maps about the centre, (C, N, 2, 3) float64."""
        out = np.empty((*self.scale.shape, 2, 3))
        cos = self.scale * np.cos(self.angle)
        sin = self.scale * np.sin(self.angle)
        out[..., 0, 0] = out[..., 1, 1] = cos
        out[..., 0, 1] = -sin
        out[..., 1, 0] = sin
        arm = self.arm[:, None, :, None]
        out[..., 2:] = arm - out[..., :2] @ arm
        return out

    def margin(self, side: int) -> np.ndarray:
        """Return how far the warped window extends beyond the upright one.

        Args:
            side: Side of the crop in pixels. Any box in the crop, warped
                about its own centre, extends no farther.

        Returns:
            (C, 2) int64 in pixels, including one pixel for interpolation; 0
            for clips that are not warped.
        """
        maps = self.matrices()
        wide = abs(maps[..., :2]).sum(-1) - 1  # (C, N, 2)
        reach = side / 2 * wide.clip(0) + abs(maps[..., 2])
        reach = np.ceil(reach.max(1) - 1e-9).astype(np.int64) + 1
        return np.where(self.moves[:, None], reach, 0)


class Path(NamedTuple):
    """The drawn path of the window, see :class:`PseudoMotion`."""

    offsets: np.ndarray
    drawn: np.ndarray
    warp: Warp | None


def draw_path(
    pool: LabelPool,
    size: tuple[int, int],
    crop_size: int,
    clip_len: int,
    rng: np.random.Generator,
    ease: float = 0.0,
    shake: float = 0.0,
) -> Path:
    """Draw the path of the window for every label of any pool.

    Args:
        pool: Label pool; each label gives one clip.
        size: (H, W) of the source image in pixels.
        crop_size: Side L of the window in pixels.
        clip_len: Number of frames N.
        rng: The only source of randomness.
        ease: Largest acceleration, in [0, 1]: the share of the path covered
            after the share t of the time is t + a t (1 - t), with a uniform
            in [-ease, ease] for every clip. The net motion does not change. A
            swing keeps its rhythm.
        shake: Largest deviation from the path in each frame except the first
            and the last, as a ratio of the crop's side; x and y are uniform.

    Returns:
        Offsets (C, N, 2) int64; the drawn signed motion (C, 6) int64; the
        warp, or None if none is needed.

    Raises:
        ValueError: If the source image has no room for the motions.
    """
    check_nuisance(ease, shake)
    count, last = len(pool), clip_len - 1
    drawn = pool.table
    if not pool.signed:
        drawn = mirrored(drawn, rng.choice(np.array([-1, 1]), count))
    time = np.arange(clip_len) / last
    share = np.broadcast_to(time, (count, clip_len))
    if ease:
        accelerated = rng.uniform(-ease, ease, (count, 1))
        share = time + accelerated * time * (1 - time)
    room = np.array([size[1] - crop_size, size[0] - crop_size])
    off = int(np.rint(shake * crop_size))
    warp = None
    if pool.motions != ('shift',):
        # One pixel per side is for interpolation, another for rounding.
        space = max(1, 1 + (room.min() - 2 * off - 4) / crop_size)
        warp = _draw_warp(pool, drawn, crop_size, space, share, time, rng)
    margin = np.full((count, 2), off)
    if warp is not None:
        margin = margin + warp.margin(crop_size)
    usable = room - 2 * margin  # (C, 2)
    if (usable < 0).any():
        raise ValueError(
            f'crop_size={crop_size} in a source image of {size[1]}x{size[0]} '
            f'pixels: motions={pool.motions!r} with shake={shake} need '
            f'{2 * margin.max()} pixels more than the crop on each axis; make '
            'CropSource.size larger, or crop_size or shake smaller'
        )
    k, speed = pool.max_speed, drawn[:, :2]
    travel = (2 * abs(speed) * usable + k) // (2 * k)  # (C, 2), rounded
    sign = np.sign(speed)
    moved = np.floor(travel[:, None] * share[..., None] + 0.5 + 1e-9)
    moved = sign[:, None] * moved.astype(np.int64)  # (C, N, 2)
    if off:
        hand = rng.integers(-off, off, moved.shape, endpoint=True)
        hand[:, [0, -1]] = 0
        moved = moved + hand
    start = rng.integers(
        margin + np.where(sign < 0, travel, 0),
        margin + np.where(sign > 0, usable - travel, usable),
        endpoint=True,
    )
    return Path(
        read_only(start[:, None] + moved), read_only(drawn.copy()), warp
    )


def _draw_warp(
    pool: LabelPool,
    drawn: np.ndarray,
    crop_size: int,
    space: float,
    share: np.ndarray,
    time: np.ndarray,
    rng: np.random.Generator,
) -> Warp:
    """Draw zoom, turn and swing of every clip.

    ``space`` is the side of the largest possible window, in sides of the crop.
    """
    column = dict(zip(COMPONENTS, drawn.T[:, :, None]))  # (C, 1) each
    k = pool.max_speed
    if space < MIN_SPACE and {'zoom', 'turn'} & set(pool.motions):
        raise ValueError(
            f'crop_size={crop_size}: motions={pool.motions!r} need a source '
            f'image of {MIN_SPACE} times that side plus 4 pixels and the '
            'shake; make CropSource.size larger or crop_size smaller'
        )
    if 'swing' in pool.motions and 2 * k >= len(time) - 1:
        raise ValueError(
            f'motions={pool.motions!r} with num_speeds={pool.num_speeds}: '
            f'{k} cycles of a swing are not visible in clip_len={len(time)} '
            f'frames; use at least {2 * k + 2} frames or fewer speeds'
        )

    def travelled(speed: np.ndarray, most: float) -> np.ndarray:
        """Cover the share v / K of [-most, most], from a start that fits."""
        way = speed / k * 2 * most  # (C, 1)
        low = -most + np.maximum(-way, 0)
        high = most - np.maximum(way, 0)
        start = rng.uniform(low, np.maximum(low, high))
        return np.where(speed == 0, 0, start + way * share)

    most = np.log(min(MAX_ZOOM, space))
    # Zooming in makes the window smaller.
    scale = np.exp(-travelled(column['zoom'], most))
    most = min(MAX_TURN, np.arcsin(min(space**2 - 1, 1)) / 2)
    angle = travelled(column['turn'], most)
    arm = np.zeros((len(drawn), 2))
    if 'swing' in pool.motions:
        phase = rng.uniform(0, 2 * np.pi, (len(drawn), 1))
        amplitude = rng.uniform(*SWING, (len(drawn), 1))
        side = rng.choice(np.array([-1, 1]), len(drawn))
        cycles = column['swing_x'] + column['swing_y']
        swing = amplitude * np.sin(2 * np.pi * cycles * time + phase)
        angle = np.where(cycles == 0, angle, swing)
        # The pivot is above or below an object that swings along x.
        for name, axis in (('swing_x', 1), ('swing_y', 0)):
            arm[:, axis] += np.where(
                column[name][:, 0] != 0, side * ARM * crop_size, 0
            )
    return Warp(read_only(scale), read_only(angle), read_only(arm))


def shrink_path(
    offsets: np.ndarray,
    margin: np.ndarray,
    room: np.ndarray,
    share: np.ndarray,
    rng: np.random.Generator,
    also: np.ndarray | None = None,
) -> np.ndarray:
    """Shorten a path, and draw a new start where it fits.

    Args:
        offsets: Offsets of the path, (C, N, 2) int64 in pixels.
        margin: Margin that the warp needs around the window, (C, 2) in
            pixels.
        room: Range of the window in the source, (x, y) in pixels.
        share: Share of the path's length to keep, (x, y) or (C, 2), in
            [0, 1].
        rng: The only source of randomness.
        also: Path to add to the shortened one, (C, N, 2) int64.

    Returns:
        (C, N, 2) int64, read-only.

    Raises:
        ValueError: If the path fits nowhere.
    """
    moved = offsets - offsets[:, :1]
    share = np.broadcast_to(share, margin.shape)[:, None]  # (C, 1, 2)
    # Rounded to the nearest pixel, but never too long.
    moved = np.sign(moved) * np.floor(abs(moved) * share + 0.5 - 1e-9)
    moved = moved.astype(np.int64)
    if also is not None:
        moved = moved + also
    low, high = margin - moved.min(1), room - margin - moved.max(1)
    if (low > high).any():
        raise ValueError(
            f'the source image lacks {(low - high).max()} pixels for the '
            'foreground on its path: make CropSource.size larger, or '
            'crop_size, shake or max_shift smaller'
        )
    start = rng.integers(low, high, endpoint=True)
    return read_only(start[:, None] + moved)


def check_nuisance(ease: float, shake: float) -> None:
    """Check the arguments of :func:`draw_path`.

    Raises:
        ValueError: If one is out of range.
    """
    for name, value, most in (('ease', ease, 1), ('shake', shake, 0.5)):
        if not isinstance(value, (int, float)) or not 0 <= value <= most:
            raise ValueError(
                f'{name}={value!r}: allowed is a number in [0, {most}]'
            )
