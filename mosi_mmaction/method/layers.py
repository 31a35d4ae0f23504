"""A clip as layers: a background, distractors, and the foreground (Eq. 3).

The steps of a plan are drawn here that the paper does not have: a matte of
another shape, distractors, a moving camera. :func:`layers_of` then turns any
plan into what a renderer needs to know, from the background to the front:
which pixel of the source each pixel of a frame shows, and how much of it.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from .labels import read_only
from .mattes import Distractors, draw_matte
from .paths import shrink_path

if TYPE_CHECKING:
    from .motion import PseudoMotion


@dataclass(frozen=True, eq=False)
class Camera:
    """The path of the background's window; no label depends on it.

    Attributes:
        offsets: Upper left corner (x, y) of the upright window in every
            frame, (C, N, 2) int64, in pixels of the source image.
        scale: Source pixels a crop pixel, about the crop's centre,
            (C, N) float64; 1 where it does not zoom.
        label: ``'absolute'``, labels are motions relative to the frame, or
            ``'relative'``, to the background.
    """

    offsets: np.ndarray
    scale: np.ndarray
    label: str = 'absolute'


@dataclass(frozen=True, eq=False)
class Layer:
    """What a renderer needs to know of one layer of all clips.

    Attributes:
        maps: From a pixel of the crop to one of the source image,
            (C, N, 2, 3) float64.
        whole: Clips whose maps are shifts by whole pixels, (C,) bool.
        windows: Upper left corner (x, y) of the upright window whose mean
            luma the contrast turns about, (C, N, 2) int64.
        draws: Which frame's colours it has, (C, N) int64.
        alphas: Opacity of each clip's matte, C arrays (S, S) uint8; None
            for a layer that fills the frame.
        places: From a pixel of the crop to one of the matte,
            (C, N, 2, 3) float64.
        placed: Clips whose places are shifts by whole pixels, (C,) bool.
        visible: Frames in which it is there, (C, N) bool.
        other: Whether its pixels come from the other source image.
    """

    maps: np.ndarray
    whole: np.ndarray
    windows: np.ndarray
    draws: np.ndarray
    alphas: list[np.ndarray] | None = None
    places: np.ndarray | None = None
    placed: np.ndarray | None = None
    visible: np.ndarray | None = None
    other: bool = False


def path_margin(plan: 'PseudoMotion') -> np.ndarray:
    """Return what the warp needs beside the window, (C, 2) in pixels."""
    if plan.warp is None:
        return np.zeros((len(plan.pool), 2), np.int64)
    return plan.warp.margin(plan.crop_size)


def room_of(plan: 'PseudoMotion') -> np.ndarray:
    """Return what the source leaves the window, (x, y) in pixels."""
    height, width = plan.source_size
    return np.array([width, height]) - plan.crop_size


def draw_shapes(
    plan: 'PseudoMotion',
    most_side: int,
    shape: str,
    soft: float,
    travels: bool,
    num_distractors: int,
    rng: np.random.Generator,
) -> 'PseudoMotion':
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


def _check_room(plan: 'PseudoMotion', most: int, remedy: str) -> None:
    if 'shift' in plan.pool.motions and most < plan.pool.max_speed:
        raise ValueError(
            f'{max(most, 0)} pixels are left to move in, too few to tell '
            f'num_speeds={plan.pool.num_speeds} apart: make {remedy}, or '
            'crop_size larger'
        )


def _placed_in_frame(
    plan: 'PseudoMotion', sides: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Place the first box so that all of its way lies in the frame."""
    moved = plan.offsets[:, :1] - plan.offsets  # of the content
    low = -moved.min(1)
    high = plan.crop_size - sides[:, None] - moved.max(1)
    # Rounding may leave a pixel too little.
    corner = rng.integers(low, np.maximum(low, high), endpoint=True)
    return read_only(np.concatenate([corner, corner + sides[:, None]], 1))


def _draw_distractors(
    plan: 'PseudoMotion',
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
    plan: 'PseudoMotion',
    max_shift: float = 0.25,
    max_zoom: float = 1.0,
    label: str = 'absolute',
    texture: str = 'same',
    *,
    rng: np.random.Generator,
) -> 'PseudoMotion':
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
    plan: 'PseudoMotion',
    moved: np.ndarray,
    most: int,
    rng: np.random.Generator,
) -> 'PseudoMotion':
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


def layers_of(plan: 'PseudoMotion') -> list[Layer]:
    """Return the layers of a plan, from the background to the foreground.

    All maps are affine, (C, N, 2, 3) float64, from pixel (x, y) of a frame;
    the centre of the upper left pixel is (0, 0).
    """
    clips, frames, _ = plan.offsets.shape
    every = np.broadcast_to(np.arange(frames), (clips, frames))
    if plan.boxes is None:
        centre = np.full((clips, 2), (plan.crop_size - 1) / 2)
        maps, whole = _object_maps(plan, centre[:, None])
        maps[..., 2] += plan.offsets + centre[:, None]
        return [Layer(maps, whole, plan.offsets, every)]
    layers = [_background(plan, every)]
    if plan.distractors is not None:
        layers += _distractor_layers(plan, layers[0])
    layers.append(_foreground(plan, every))
    return layers


def _object_maps(
    plan: 'PseudoMotion', centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return maps to coordinates about what moves, and which are shifts.

    Args:
        plan: A plan.
        centre: Of what moves in every frame, (C, N or 1, 2).
    """
    clips, frames, _ = plan.offsets.shape
    if plan.warp is None:
        maps = np.zeros((clips, frames, 2, 3))
        maps[..., 0, 0] = maps[..., 1, 1] = 1
        whole = np.ones(clips, bool)
    else:
        maps, whole = plan.warp.matrices(), ~plan.warp.moves
    linear = maps[..., :2]
    maps[..., 2] -= (
        linear @ np.broadcast_to(centre, (clips, frames, 2))[..., None]
    )[..., 0]
    return maps, whole


def _foreground(plan: 'PseudoMotion', every: np.ndarray) -> Layer:
    boxes = plan.frame_boxes  # (C, N, 4)
    centre = (boxes[..., :2] + boxes[..., 2:] - 1) / 2  # (C, N, 2)
    maps, whole = _object_maps(plan, centre)
    half = (boxes[..., 2:] - boxes[..., :2] - 1) / 2
    travels = plan.matte is not None and plan.matte.travels
    if travels:
        places, placed = maps.copy(), whole
        places[..., 2] += half
    else:
        places = np.zeros_like(maps)
        places[..., 0, 0] = places[..., 1, 1] = 1
        places[..., 2] = -boxes[..., :2]
        placed = np.ones(len(boxes), bool)
    maps[..., 2] += plan.offsets + centre
    return Layer(
        maps,
        whole,
        plan.offsets,
        every,
        _alphas(plan),
        places,
        placed,
        np.ones(every.shape, bool),
        plan.texture == 'other',
    )


def _alphas(plan: 'PseudoMotion') -> list[np.ndarray]:
    if plan.matte is not None:
        return plan.matte.alphas
    boxes = cast(np.ndarray, plan.boxes)
    return [
        np.full((s, s), 255, np.uint8)
        for s in (boxes[:, 2] - boxes[:, 0]).tolist()
    ]


def _background(plan: 'PseudoMotion', every: np.ndarray) -> Layer:
    """Frame q, upright, or what the camera sees."""
    clips, frames = every.shape
    maps = np.zeros((clips, frames, 2, 3))
    if plan.camera is None:
        q = cast(np.ndarray, plan.background)
        draws = np.broadcast_to(q[:, None], every.shape)
        windows = plan.offsets[np.arange(clips)[:, None], draws]
        scale = np.ones(every.shape)
    else:
        draws, windows = every, plan.camera.offsets
        scale = plan.camera.scale
    maps[..., 0, 0] = maps[..., 1, 1] = scale
    centre = (plan.crop_size - 1) / 2
    maps[..., 2] = windows + (centre - scale * centre)[..., None]
    return Layer(maps, (scale == 1).all(1), windows, draws)


def _distractor_layers(plan: 'PseudoMotion', ground: Layer) -> list[Layer]:
    """Parts of the background, mapped as it is and displaced in it."""
    shown = cast(Distractors, plan.distractors)
    clips, count = shown.matte.sides.shape
    corner = np.concatenate(
        [shown.corners, np.ones((clips, count, 1))], -1
    )  # (C, D, 3)
    alphas = shown.matte.alphas
    layers = []
    for d in range(count):
        # Where the first frame's map has the corner of the box.
        origin = ground.maps[:, 0] @ corner[:, d, :, None]  # (C, 2, 1)
        places = ground.maps.copy()
        places[..., 2] -= origin[:, None, :, 0]
        maps = ground.maps.copy()
        maps[..., 2] += shown.shifts[:, d, None]
        layers.append(
            Layer(
                maps,
                ground.whole,
                ground.windows + shown.shifts[:, d, None],
                ground.draws,
                alphas[d::count],
                places,
                ground.whole,
                shown.visible[:, d],
            )
        )
    return layers
