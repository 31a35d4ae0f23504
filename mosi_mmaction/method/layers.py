"""A clip as layers: a background, distractors, and the foreground (Eq. 3).

:func:`layers_of` turns any plan into the information that a renderer needs,
from back to front: which pixel of the source each pixel of a frame shows, and
its opacity. :mod:`.draw_layers` draws what goes beyond the paper.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np

from .mattes import Distractors
from .plan import PseudoMotion


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of all clips, as a renderer needs it.

    Attributes:
        maps: Affine maps from a pixel of the crop to one of the source
            image, (C, N, 2, 3) float64.
        whole: Whether the maps of a clip are shifts by whole pixels, (C,)
            bool.
        windows: Upper left corner (x, y) of the upright window whose mean
            luma is the pivot of contrast, (C, N, 2) int64.
        draws: Index of the frame whose colours the layer has, (C, N) int64.
        alphas: Opacity of each clip's matte, C arrays (S, S) uint8; None
            for a layer that fills the frame.
        places: Affine maps from a pixel of the crop to one of the matte,
            (C, N, 2, 3) float64.
        placed: Whether the places of a clip are shifts by whole pixels, (C,)
            bool.
        visible: Whether the layer is visible in each frame, (C, N) bool.
        other: Whether its pixels come from the other source image.
        soft: Whether the mattes may have values other than 0 and 255.
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
    soft: bool = False


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
    """Return maps to coordinates about an object, and which are shifts.

    Args:
        plan: Plan of the clips.
        centre: Centre of the object in every frame, (C, N or 1, 2).
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
        plan.matte is not None and plan.matte.soft > 0,
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
    """Return frame q, upright, or the view of the camera."""
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
    """Return parts of the background, mapped like it and displaced in it."""
    shown = cast(Distractors, plan.distractors)
    clips, count = shown.matte.sides.shape
    corner = np.concatenate(
        [shown.corners, np.ones((clips, count, 1))], -1
    )  # (C, D, 3)
    alphas = shown.matte.alphas
    layers = []
    for d in range(count):
        # Position of the box's corner under the first frame's map.
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
                soft=shown.matte.soft > 0,
            )
        )
    return layers
