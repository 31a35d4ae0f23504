"""Draw what the paper's clips do not have: shapes, distractors, a camera.

Each step takes a drawn plan and returns one that holds more. Of Eq. 3 they
change the mask's shape, what is outside of it, and how far the foreground may
go; :mod:`.layers` says what that means for the pixels.
"""

from dataclasses import replace
from typing import cast

import numpy as np

from .labels import read_only
from .mattes import Distractors, draw_matte
from .paths import shrink_path
from .plan import Camera, PseudoMotion


def path_margin(plan: PseudoMotion) -> np.ndarray:
    """Return what the warp needs beside the window, (C, 2) in pixels."""
    if plan.warp is None:
        return np.zeros((len(plan.pool), 2), np.int64)
    return plan.warp.margin(plan.crop_size)


def room_of(plan: PseudoMotion) -> np.ndarray:
    """Return what the source leaves the window, (x, y) in pixels."""
    height, width = plan.source_size
    return np.array([width, height]) - plan.crop_size


def draw_shapes(
    plan: PseudoMotion,
    most_side: int,
    shape: str,
    soft: float,
    travels: bool,
    num_distractors: int,
    rng: np.random.Generator,
) -> PseudoMotion:
    """Give the boxes of a masked plan shapes, and add distractors.

    An object that travels stays in the picture: its path is shortened, so
    that speed v goes v / K of what the crop leaves the largest box.

    Args:
        plan: A plan with boxes.
        most_side: Largest side that a box may have, in pixels.
        shape: Of the mattes, see :func:`~.mattes.draw_matte`.
        soft: Width of their soft edge as a ratio of the side.
        travels: Whether the foreground's goes with its content.
        num_distractors: Number of distractors in each clip.
        rng: The only source of randomness.

    Raises:
        ValueError: If there is no room to travel.
    """
    boxes = cast(np.ndarray, plan.boxes)
    sides = boxes[:, 2] - boxes[:, 0]
    if shape != 'box' or soft or travels:
        matte = draw_matte(sides, shape, soft, travels, rng)
        plan = replace(plan, matte=matte)
    if travels:
        most = plan.crop_size - most_side
        _check_room(plan, most, 'DrawStaticMask.side_ratio smaller')
        margin, room = path_margin(plan), room_of(plan)
        plan = replace(
            plan,
            offsets=shrink_path(
                plan.offsets,
                margin,
                room,
                np.minimum(1, most / np.maximum(room - 2 * margin, 1)),
                rng,
            ),
        )
        plan = replace(plan, boxes=_placed_in_frame(plan, sides, rng))
    if num_distractors:
        plan = replace(
            plan,
            distractors=_draw_distractors(
                plan, sides, shape, soft, num_distractors, rng
            ),
        )
    return plan


def _check_room(plan: PseudoMotion, most: int, remedy: str) -> None:
    if 'shift' in plan.pool.motions and most < plan.pool.max_speed:
        raise ValueError(
            f'{max(most, 0)} pixels are left to move in, too few to tell '
            f'num_speeds={plan.pool.num_speeds} apart: make {remedy}, or '
            'crop_size larger'
        )


def _placed_in_frame(
    plan: PseudoMotion, sides: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Place the first box so that all of its way lies in the frame."""
    moved = plan.offsets[:, :1] - plan.offsets  # of the content
    low = -moved.min(1)
    high = plan.crop_size - sides[:, None] - moved.max(1)
    # Rounding may leave a pixel too little.
    corner = rng.integers(low, np.maximum(low, high), endpoint=True)
    return read_only(np.concatenate([corner, corner + sides[:, None]], 1))


def _draw_distractors(
    plan: PseudoMotion,
    sides: np.ndarray,
    shape: str,
    soft: float,
    count: int,
    rng: np.random.Generator,
) -> Distractors:
    """Draw shapes of the foreground's sizes that show other places."""
    clips, size = len(sides), plan.crop_size
    # In another order, so that no size tells which one is the foreground.
    order = [rng.permutation(clips) for _ in range(count)]
    sides = np.stack([sides[o] for o in order], 1)  # (C, D)
    corners = rng.integers(
        0, size - sides[..., None], (clips, count, 2), endpoint=True
    )
    on = rng.random((clips, count, plan.clip_len)) < 0.5
    flickers = rng.random((clips, count, 1)) < 0.5
    frozen = plan.offsets[np.arange(clips), plan.background]  # (C, 2)
    return Distractors(
        draw_matte(sides, shape, soft, True, rng),
        read_only(corners),
        _draw_shifts(frozen[:, None], room_of(plan), count, rng),
        read_only(on | ~flickers),
    )


def _draw_shifts(
    windows: np.ndarray,
    room: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw by how much all of some windows (C, n, 2) may be displaced."""
    low, high = -windows.min(1), room - windows.max(1)
    return read_only(
        rng.integers(
            low[:, None], high[:, None], (len(low), count, 2), endpoint=True
        )
    )


def draw_moving_background(
    plan: PseudoMotion,
    max_shift: float = 0.25,
    max_zoom: float = 1.0,
    label: str = 'absolute',
    texture: str = 'same',
    *,
    rng: np.random.Generator,
) -> PseudoMotion:
    """Draw a camera: a path of its own for what is outside of the matte.

    Its displacement from first to last frame is uniform on each axis, its
    speed steady, its start uniform over where the end fits. It is drawn
    without a look at the labels.

    Args:
        plan: A masked plan.
        max_shift: Largest displacement on an axis as a ratio of the crop's
            side, at least 0.
        max_zoom: Largest factor by which the background grows or shrinks;
            1 does not zoom.
        label: ``'absolute'``: labels are the foreground's motion relative to
            the frame, whatever the camera does. ``'relative'``: relative to
            the background; the foreground moves with the camera on top, on
            a path that is shorter by ``max_shift``.
        texture: ``'same'`` or ``'other'``: the image whose pixels the
            foreground shows; the other one is that of the next sample of
            the batch.
        rng: The only source of randomness.

    Returns:
        The same plan with ``camera`` instead of ``background``.

    Raises:
        ValueError: If an argument is out of range, the plan has no mask, or
            the source image no room for the camera.
    """
    check_background(max_shift, max_zoom, label, texture)
    if plan.boxes is None:
        raise ValueError(
            'a moving background needs a mask that it is outside of: draw '
            'DrawStaticMask before DrawMovingBackground'
        )
    clips, frames, _ = plan.offsets.shape
    size, room = plan.crop_size, room_of(plan)
    most = int(np.rint(max_shift * size))
    margin = 0
    if max_zoom > 1:
        margin = int(np.ceil(size / 2 * (max_zoom**0.5 - 1))) + 1
    if most + 2 * margin > room.min():
        raise ValueError(
            f'max_shift={max_shift} and max_zoom={max_zoom} need '
            f'{most + 2 * margin} pixels more than crop_size={size}, but the '
            f'source image leaves {room.min()}: make CropSource.size larger '
            'or the camera slower'
        )
    time = np.arange(frames) / (frames - 1)
    way = rng.integers(-most, most, (clips, 2), endpoint=True)
    moved = np.floor(abs(way)[:, None] * time[:, None] + 0.5 + 1e-9)
    moved = (np.sign(way)[:, None] * moved).astype(np.int64)
    scale = np.ones((clips, frames))
    if max_zoom > 1:
        rate = rng.uniform(-1, 1, (clips, 1)) * np.log(max_zoom)
        scale = np.exp(rate * (time - 0.5))
    start = rng.integers(
        margin - moved.min(1), room - margin - moved.max(1), endpoint=True
    )
    camera = Camera(read_only(start[:, None] + moved), read_only(scale), label)
    plan = replace(plan, background=None, camera=camera, texture=texture)
    if label == 'relative':
        plan = _follow_camera(plan, moved, most, rng)
    if plan.distractors is not None:
        shown = plan.distractors
        count = shown.corners.shape[1]
        shifts = _draw_shifts(camera.offsets, room, count, rng)
        plan = replace(plan, distractors=replace(shown, shifts=shifts))
    return plan


def _follow_camera(
    plan: PseudoMotion,
    moved: np.ndarray,
    most: int,
    rng: np.random.Generator,
) -> PseudoMotion:
    """Add the camera's way to the foreground's, which gets shorter."""
    boxes = cast(np.ndarray, plan.boxes)
    sides = boxes[:, 2] - boxes[:, 0]
    margin, room = path_margin(plan), room_of(plan)
    travels = plan.matte is not None and plan.matte.travels
    if (room - 2 * margin < most).any():
        raise ValueError(
            f'the source image leaves no room to follow the camera by {most} '
            'pixels: make CropSource.size larger or max_shift smaller'
        )
    # What the path could use so far: the room, or what a box that travels
    # has in the frame.
    used = np.where(room > 0, room, 1)
    if travels:
        used = np.minimum(used, plan.crop_size - sides.max())
    left = used - most
    _check_room(plan, int(left.min()), 'max_shift smaller')
    share = np.maximum(left, 0) / used
    plan = replace(
        plan,
        offsets=shrink_path(plan.offsets, margin, room, share, rng, moved),
    )
    if travels:
        plan = replace(plan, boxes=_placed_in_frame(plan, sides, rng))
    return plan


def check_background(
    max_shift: float, max_zoom: float, label: str, texture: str
) -> None:
    """Check the arguments of :func:`draw_moving_background`.

    Raises:
        ValueError: If one is out of range.
    """
    if not isinstance(max_shift, (int, float)) or not 0 <= max_shift < 10:
        raise ValueError(
            f'max_shift={max_shift!r}: a ratio of the crop side, at least 0'
        )
    if not isinstance(max_zoom, (int, float)) or not 1 <= max_zoom <= 2:
        raise ValueError(f'max_zoom={max_zoom!r}: a factor in [1, 2]')
    if label not in ('absolute', 'relative'):
        raise ValueError(f"label={label!r}: 'absolute' or 'relative'")
    if label == 'relative' and max_zoom > 1:
        raise ValueError(
            f"label='relative' with max_zoom={max_zoom}: relative to a "
            'background that zooms, no motion is a plain one; use '
            "max_zoom=1 or label='absolute'"
        )
    if texture not in ('same', 'other'):
        raise ValueError(f"texture={texture!r}: 'same' or 'other'")
