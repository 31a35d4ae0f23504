"""Composite patches over the pixels behind them, in kept memory."""

from typing import NamedTuple

import cv2
import numpy as np

#: Width and height in pixels.
Side = tuple[int, int]


class Patch(NamedTuple):
    """Memory for one part of a frame, all C-contiguous.

    Attributes:
        pixels: (h, w, 3) uint8.
        fine: (h, w, 3) uint16.
        matte: (h, w) uint8.
        weight: (h, w, 3) uint8.
        rest: (h, w, 3) uint8.
        total: (h, w, 3) float32.
    """

    pixels: np.ndarray
    fine: np.ndarray
    matte: np.ndarray
    weight: np.ndarray
    rest: np.ndarray
    total: np.ndarray


class Scratch:
    """Memory in which the parts of frames are computed, one after another.

    Args:
        size: Largest side of a part, in pixels.
    """

    def __init__(self, size: int) -> None:
        pixels = size * size
        self._arrays = [
            (np.empty(pixels * channels, dtype), channels)
            for dtype, channels in (
                (np.uint8, 3),
                (np.uint16, 3),
                (np.uint8, 1),
                (np.uint8, 3),
                (np.uint8, 3),
                (np.float32, 3),
            )
        ]
        self._patches: dict[Side, Patch] = {}

    def patch(self, side: Side) -> Patch:
        """Return the memory of a part; all parts share it."""
        patch = self._patches.get(side)
        if patch is None:
            width, height = side
            pixels = width * height
            patch = self._patches[side] = Patch(
                *(
                    array[: pixels * channels].reshape(
                        (height, width, 3)[: 2 + channels // 3]
                    )
                    for array, channels in self._arrays
                )
            )
        return patch


def opacities(
    alpha: np.ndarray,
    weight: np.ndarray | None = None,
    rest: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the opacity of all channels and 255 minus it.

    Args:
        alpha: Opacity, (h, w) uint8.
        weight: Array to write the opacity to, (h, w, 3) uint8.
        rest: Array to write the other to, likewise.
    """
    weight = cv2.merge((alpha, alpha, alpha), weight)
    return weight, np.invert(weight, out=rest)


def blend(
    pixels: np.ndarray,
    under: np.ndarray,
    weight: np.ndarray,
    rest: np.ndarray,
    total: np.ndarray,
) -> None:
    """Blend pixels into those under them, to the nearest level.

    Args:
        pixels: (h, w, 3) uint8.
        under: Pixels behind them, which are written to, likewise.
        weight: Opacity, likewise.
        rest: 255 minus the opacity, likewise.
        total: Memory to compute in, (h, w, 3) float32.
    """
    # Sums of products are whole numbers, exact in float32. Divided by 255,
    # none of them lies half-way between two levels, or near it.
    total.fill(0)
    cv2.accumulateProduct(pixels, weight, total)
    cv2.accumulateProduct(under, rest, total)
    cv2.convertScaleAbs(total, under, 1 / 255)
