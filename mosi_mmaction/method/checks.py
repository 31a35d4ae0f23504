"""Check the inputs of drawing and rendering; errors say what to change."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from .plan import PseudoMotion

SizeLike = int | Sequence[int]


def check_motion(
    source_size: SizeLike, crop_size: int, clip_len: int
) -> tuple[int, int]:
    """Check sizes that are independent of an image; return (H, W).

    Args:
        source_size: Side or (H, W) of the source image in pixels.
        crop_size: Side of the window in pixels.
        clip_len: Number of frames.

    Raises:
        ValueError: If the crop does not fit or ``clip_len`` is below 2.
    """
    pair = _pair(source_size)
    if len(pair) != 2:
        raise ValueError(
            f'source_size={source_size!r}: use one side or (height, width)'
        )
    height, width = pair
    for key, value in (
        ('source_size', height),
        ('source_size', width),
        ('crop_size', crop_size),
        ('clip_len', clip_len),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f'{key}={value!r}: must be a whole number')
    if crop_size < 1:
        raise ValueError(f'crop_size={crop_size}: must be at least 1 pixel')
    if crop_size > min(height, width):
        raise ValueError(
            f'crop_size={crop_size} does not fit into a source image of '
            f'{height}x{width} pixels: make CropSource.size larger or '
            'crop_size smaller'
        )
    if clip_len < 2:
        raise ValueError(
            f'clip_len={clip_len}: motion needs at least 2 frames'
        )
    return int(height), int(width)


def check_side_ratio(
    side_ratio: float | Sequence[float],
) -> tuple[float, float]:
    """Return a mask's (smallest, largest) side ratio, checked.

    Raises:
        ValueError: If it is not a number or a pair in (0, 1], ascending.
    """
    pair = _pair(side_ratio)
    if (
        len(pair) != 2
        or not all(isinstance(v, Real) for v in pair)
        or not 0 < pair[0] <= pair[1] <= 1
    ):
        raise ValueError(
            f'side_ratio={side_ratio!r}: use one ratio of the crop side or '
            '(smallest, largest), both in (0, 1]'
        )
    return float(pair[0]), float(pair[1])


def _pair(value: Any) -> tuple:
    """Return a single value twice, or several as a tuple."""
    return (value, value) if np.ndim(value) == 0 else tuple(value)


def check_images(
    image: np.ndarray, plan: PseudoMotion, other: np.ndarray | None = None
) -> None:
    """Check that a plan was drawn for these source images.

    Args:
        image: Source image, (H, W, 3) uint8.
        plan: Plan to render.
        other: Source image of the foreground, if the plan uses another one.

    Raises:
        ValueError: If an image is missing or does not fit the plan.
    """
    images = [image]
    if plan.texture == 'other':
        if other is None:
            raise ValueError(
                "the plan has texture='other': pass the other source image "
                'to render(), or let mosi_collate or the device render'
            )
        images.append(other)
    for img in images:
        if img.dtype != np.uint8 or img.shape != (*plan.source_size, 3):
            raise ValueError(
                f'image is {img.dtype} {img.shape}, but the plan was drawn '
                f'for uint8 {(*plan.source_size, 3)}: draw the motion after '
                'the source image has its final size'
            )


def check_out(out: np.ndarray, plan: PseudoMotion) -> None:
    """Check that the clips of a plan can be written to an array.

    Raises:
        ValueError: If it is not C-contiguous uint8 of the plan's shape.
    """
    if (
        out.dtype != np.uint8
        or out.shape != plan.shape
        or not out.flags.c_contiguous
    ):
        raise ValueError(
            f'out is {out.dtype} {out.shape}, but the clips are C-contiguous '
            f'uint8 {plan.shape}'
        )
