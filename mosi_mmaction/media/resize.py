"""Resize square images as OpenCV does, and shrink them in less time."""

from functools import cache, lru_cache

import cv2
import numpy as np
from scipy.sparse import csr_array


def resize_square(image: np.ndarray, size: int) -> np.ndarray:
    """Resize a square image, by area if it shrinks, else bilinearly.

    Args:
        image: Image, (S, S, 3) uint8.
        size: New side in pixels.

    Returns:
        (size, size, 3) uint8, with the pixels of ``cv2.resize``:
        ``INTER_AREA`` or ``INTER_LINEAR``.
    """
    side = len(image)
    # Beyond twice the side, images are so large that transposing them takes
    # longer than it saves; at exactly twice, OpenCV has a shortcut.
    if size < side < 2 * size and _same_pixels():
        return _shrink(image, size)
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=method)


def _shrink(image: np.ndarray, size: int) -> np.ndarray:
    """Do what ``INTER_AREA`` does: sum over x, then over y, then round.

    OpenCV sums pixel by pixel, and most rows twice. A product with a sparse
    matrix adds the same float32 numbers in the same order, but whole rows at
    a time; so x becomes the axis of rows before the first sum.
    """
    side = len(image)
    weights = _weights(side, size)
    columns = cv2.transpose(image).reshape(side, -1).astype(np.float32)
    rows = cv2.transpose((weights @ columns).reshape(size, side, 3))
    return cv2.convertScaleAbs(
        (weights @ rows.reshape(side, -1)).reshape(size, size, 3)
    )


@lru_cache(maxsize=1024)
def _weights(side: int, size: int) -> csr_array:
    """Return the share of each old pixel in each new one, (size, side).

    Shares are computed as OpenCV computes them, in float64, and shares below
    a thousandth of an old pixel are left out as well.
    """
    scale = 1 / (size / side)
    start = np.arange(size)[:, None] * scale
    stop = start + scale
    pixel = np.arange(side)
    inside = np.minimum(stop, pixel + 1) - np.maximum(start, pixel)
    inside = np.where(inside > 1e-3, np.minimum(inside, 1), 0)
    whole = np.minimum(scale, side - start)
    return csr_array((inside / whole).astype(np.float32))


@cache
def _same_pixels() -> bool:
    """Return whether OpenCV and SciPy round alike on this machine.

    They may not where one of them has been compiled to fuse multiplications
    and additions. Noise, and sides without a common divisor, bring it out.
    """
    noise = np.random.default_rng(0).integers(0, 256, (499, 499, 3), np.uint8)
    wanted = cv2.resize(noise, (320, 320), interpolation=cv2.INTER_AREA)
    return np.array_equal(_shrink(noise, 320), wanted)
