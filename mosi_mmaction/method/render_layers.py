"""Render plans of layers, one clip after the other. Pure.

Integer shifts are copied, as in the paper's plans; everything else is one
affine warp a layer and frame. Colours are applied to a layer's pixels before
it is laid over what is behind it, and rounded once.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from .color import ColorParams, apply_color, window_luma
from .layers import Layer, layers_of

if TYPE_CHECKING:
    from .motion import PseudoMotion

Rect = tuple[int, int, int, int]
_WARP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def render_layers(
    image: np.ndarray,
    plan: 'PseudoMotion',
    out: np.ndarray,
    other: np.ndarray | None = None,
) -> np.ndarray:
    """Render the clips of a plan.

    Args:
        image: Source image, (H, W, 3) uint8 RGB.
        plan: What to render.
        out: Where to write, (C, N, L, L, 3) uint8.
        other: Source image of the foreground where the plan asks for
            another one.

    Returns:
        ``out``.
    """
    layers = layers_of(plan)
    images = [
        cast(np.ndarray, other) if layer.other else image for layer in layers
    ]
    paints = [
        _painter(pixels, layer, plan.color, plan.crop_size)
        for pixels, layer in zip(images, layers)
    ]
    size = plan.crop_size
    frame = (0, 0, size, size)
    frozen = plan.boxes is not None and plan.camera is None
    for c in range(len(out)):
        if frozen:
            # Written once and spread over the clip.
            paints[0](c, 0, frame, out[c, 0])
            out[c, 1:] = out[c, 0]
        else:
            for n in range(plan.clip_len):
                paints[0](c, n, frame, out[c, n])
        for layer, paint in zip(layers[1:], paints[1:]):
            _lay_over(out, layer, paint, c)
    return out


def _painter(
    image: np.ndarray, layer: Layer, color: ColorParams | None, size: int
) -> Callable[..., np.ndarray]:
    """Return a function that paints a part of a frame of a layer.

    Its arguments are clip, frame, rect (x1, y1, x2, y2) and, if it is to
    write there, a C-contiguous array.
    """
    matrices = None
    if color is not None:
        luma = window_luma(image, layer.windows, size)
        # The luma of a window goes with the colours of its own frame.
        clips = np.arange(len(luma))[:, None]
        draws = ColorParams(
            **{k: v[clips, layer.draws] for k, v in vars(color).items()}
        )
        matrices = draws.matrices(luma)
    floats = None if layer.whole.all() else image.astype(np.float32)
    shifts = layer.maps[..., 2].astype(int).tolist()
    whole = layer.whole.tolist()

    def paint(
        c: int, n: int, rect: Rect, into: np.ndarray | None = None
    ) -> np.ndarray:
        x1, y1, x2, y2 = rect
        if whole[c]:
            x, y = shifts[c][n]
            patch = image[y + y1 : y + y2, x + x1 : x + x2]
            if matrices is not None:
                return apply_color(patch, matrices[c, n], into)
            if into is not None:
                into[...] = patch
            return patch
        matrix = _moved(layer.maps[c, n], x1, y1)
        side = (x2 - x1, y2 - y1)
        if matrices is None:
            return cv2.warpAffine(
                image,
                matrix,
                side,
                dst=into,
                flags=_WARP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        patch = cv2.warpAffine(
            cast(np.ndarray, floats),
            matrix,
            side,
            flags=_WARP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        patch = cv2.transform(patch, matrices[c, n])
        # Rounds to even and clips at 255; below 0 it would mirror.
        return cv2.convertScaleAbs(np.maximum(patch, 0, out=patch), dst=into)

    return paint


def _moved(matrix: np.ndarray, x: int, y: int) -> np.ndarray:
    """Return a map that starts at pixel (x, y) instead of (0, 0)."""
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, 0] * x + matrix[:, 1] * y
    return matrix


def _lay_over(
    out: np.ndarray,
    layer: Layer,
    paint: Callable[..., np.ndarray],
    c: int,
) -> None:
    """Lay one layer of a clip over what is there."""
    alpha = cast(list, layer.alphas)[c]
    places = cast(np.ndarray, layer.places)[c]
    placed = bool(cast(np.ndarray, layer.placed)[c])
    visible = cast(np.ndarray, layer.visible)[c].tolist()
    full = bool(alpha.min() == 255)
    hard = full or not ((alpha > 0) & (alpha < 255)).any()
    rects = _covered(places, placed, alpha.shape[0], out.shape[2])
    shifts = places[..., 2].astype(int).tolist() if placed else []
    soft = None if hard else _weights(alpha)
    for n, (x1, y1, x2, y2) in enumerate(rects):
        if not visible[n] or x1 >= x2 or y1 >= y2:
            continue
        patch, under = paint(c, n, (x1, y1, x2, y2)), out[c, n, y1:y2, x1:x2]
        if not placed:
            mask = cv2.warpAffine(
                alpha,
                _moved(places[n], x1, y1),
                (x2 - x1, y2 - y1),
                flags=_WARP,
                borderMode=cv2.BORDER_CONSTANT,
            )
            _blend(patch, under, _weights(mask))
            continue
        if full:
            under[...] = patch
            continue
        x, y = shifts[n]
        part = (slice(y + y1, y + y2), slice(x + x1, x + x2))
        if soft is None:
            # Mind: OpenCV takes rows with gaps one at a time.
            cv2.copyTo(
                np.ascontiguousarray(patch),
                np.ascontiguousarray(alpha[part]),
                under,
            )
        else:
            _blend(patch, under, soft[part])


def _covered(places: np.ndarray, placed: bool, side: int, size: int) -> list:
    """Return the part of every frame that may show a matte, N rects."""
    if placed:
        low = -places[..., 2]
        high = low + side
    else:
        ends = np.array([[-1, side, -1, side], [-1, -1, side, side]])
        inverse = np.linalg.inv(places[..., :2])
        corners = inverse @ (ends - places[..., 2:])  # (N, 2, 4)
        low = np.floor(corners.min(-1))
        high = np.ceil(corners.max(-1)) + 1
    ends = np.concatenate([low, high], -1).clip(0, size)
    return ends.astype(int).tolist()


def _weights(mask: np.ndarray) -> np.ndarray:
    """Return opacity for every colour value, (h, w, 3) uint16."""
    return cv2.merge([mask.astype(np.uint16)] * 3)


def _blend(patch: np.ndarray, under: np.ndarray, weight: np.ndarray) -> None:
    """Mix two images in place, in integers: to the nearest level."""
    mixed = patch * weight
    mixed += under * (255 - weight)
    mixed += 128
    mixed += mixed >> 8  # with the next shift a division by 255
    mixed >>= 8
    under[...] = mixed
