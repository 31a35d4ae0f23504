"""A clip as layers: a background, distractors, and the foreground (Eq. 3).

:func:`layers_of` turns any plan into what a renderer needs to know, from the
background to the front: which pixel of the source each pixel of a frame
shows, and how much of it. What of a plan the paper does not have is drawn in
:mod:`.draw_layers`.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from .mattes import Distractors
from .plan import PseudoMotion


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


def layers_of(plan: PseudoMotion) -> list[Layer]:
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
    plan: PseudoMotion, centre: np.ndarray
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


def _foreground(plan: PseudoMotion, every: np.ndarray) -> Layer:
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


def _alphas(plan: PseudoMotion) -> list[np.ndarray]:
    if plan.matte is not None:
        return plan.matte.alphas
    boxes = cast(np.ndarray, plan.boxes)
    return [
        np.full((s, s), 255, np.uint8)
        for s in (boxes[:, 2] - boxes[:, 0]).tolist()
    ]


def _background(plan: PseudoMotion, every: np.ndarray) -> Layer:
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


def _distractor_layers(plan: PseudoMotion, ground: Layer) -> list[Layer]:
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
