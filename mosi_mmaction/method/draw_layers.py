"""Draw what the paper's clips do not have: shapes, distractors, a camera.

Each step takes a drawn plan and returns an extended one. Relative to Eq. 3,
the steps change the mask's shape, what is outside it, and how far the
foreground may move; :mod:`.layers` says what this means for the pixels.
"""

from dataclasses import replace
from typing import cast

import numpy as np

from .labels import read_only
from .mattes import Distractors, draw_matte
from .plan import Camera, PseudoMotion
from .trajectories import shrink_path


def path_margin(plan: PseudoMotion) -> np.ndarray:
    """Return the margin that the warp needs around the window, (C, 2) px."""
    if plan.warp is None:
        return np.zeros((len(plan.pool), 2), np.int64)
    return plan.warp.margin(plan.crop_size)


def room_of(plan: PseudoMotion) -> np.ndarray:
    """Return the range of the window in the source, (x, y) in pixels."""
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

    An object that travels stays inside the frame: its path is shortened, so
    that speed v covers v / K of the range that the crop leaves the largest
    box.

    Args:
        plan: Plan with boxes.
        most_side: Largest side that a box may have, in pixels.
        shape: Shape of the mattes, see :func:`~.mattes.draw_matte`.
        soft: Width of their soft edge as a ratio of the side.
        travels: Whether the foreground's matte moves with its content.
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
    """Place the first box so that its whole path lies inside the frame."""
    moved = plan.offsets[:, :1] - plan.offsets  # of the content
    low = -moved.min(1)
    high = plan.crop_size - sides[:, None] - moved.max(1)
    # After rounding, one pixel may be missing.
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
    # In another order, so that the size does not identify the foreground.
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
    margin: int = 0,
) -> np.ndarray:
    """Draw a displacement that keeps all windows (C, n, 2) in the source.

    Around them, ``margin`` pixels stay in it, too.
    """
    low, high = margin - windows.min(1), room - margin - windows.max(1)
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
    """Draw a camera: a separate path for what is outside the matte.

    Its displacement from first to last frame is uniform on each axis, its
    speed is constant, and its start is uniform over the positions for which
    the end fits. It is independent of the labels.

    Args:
        plan: Masked plan.
        max_shift: Largest displacement on an axis as a ratio of the crop's
            side, at least 0.
        max_zoom: Largest factor by which the background grows or shrinks;
            1 does not zoom.
        label: Reference of the labels. ``'absolute'``: the foreground's
            motion relative to the frame, independent of the camera.
            ``'relative'``: relative to the background; the foreground also
            moves with the camera, and its own path is shorter by
            ``max_shift``.
        texture: Image shown by the foreground: ``'same'``, or ``'other'`` for
            that of the next sample of the batch.
        rng: The only source of randomness.

    Returns:
        The same plan with ``camera`` instead of ``background``.

    Raises:
        ValueError: If an argument is out of range, the plan has no mask, or
            the source image has no room for the camera.
    """
    check_background(max_shift, max_zoom, label, texture)
    if plan.boxes is None:
        raise ValueError(
            'a moving background needs a mask: put DrawStaticMask before '
            'DrawMovingBackground'
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
        shifts = _draw_shifts(camera.offsets, room, count, rng, margin)
        plan = replace(plan, distractors=replace(shown, shifts=shifts))
    return plan


def _follow_camera(
    plan: PseudoMotion,
    moved: np.ndarray,
    most: int,
    rng: np.random.Generator,
) -> PseudoMotion:
    """Add the camera's path to the foreground's, which becomes shorter."""
    boxes = cast(np.ndarray, plan.boxes)
    sides = boxes[:, 2] - boxes[:, 0]
    margin, room = path_margin(plan), room_of(plan)
    travels = plan.matte is not None and plan.matte.travels
    if (room - 2 * margin < most).any():
        raise ValueError(
            'the source image has no room to follow the camera by '
            f'{most} pixels: make CropSource.size larger or max_shift smaller'
        )
    # Range of the path so far: that of the window, or that of a travelling
    # box in the frame.
    used = room
    if travels:
        used = np.minimum(used, plan.crop_size - sides.max())
    used = np.maximum(used, 1)
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
            f"label='relative' with max_zoom={max_zoom}: no motion is simple "
            'relative to a background that zooms; use '
            "max_zoom=1 or label='absolute'"
        )
    if texture not in ('same', 'other'):
        raise ValueError(f"texture={texture!r}: 'same' or 'other'")
