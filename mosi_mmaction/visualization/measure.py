"""Measurements for the pictures: motion in pixels, and maps compared with it.

Maps are (H, W), clips (N, H, W, 3) uint8 RGB, boxes (x1, y1, x2, y2) in
pixels with x2 and y2 exclusive.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from sklearn.metrics import roc_auc_score

#: Names of the directions of :func:`direction_histogram`.
DIRECTIONS = (
    'right',
    'down-right',
    'down',
    'down-left',
    'left',
    'up-left',
    'up',
    'up-right',
)


def optical_flow(clip: np.ndarray) -> np.ndarray:
    """Measure the motion of every pixel from each frame to the next.

    This is OpenCV's DIS flow between consecutive sampled frames.

    Args:
        clip: (N, H, W, 3) uint8 RGB clip, sides of at least 16 pixels.

    Returns:
        (N - 1, H, W, 2) float32: x to the right and y down, in pixels a
        frame.
    """
    gray = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in clip]
    dis = cv2.DISOpticalFlow_create(  # type: ignore[attr-defined]
        cv2.DISOPTICAL_FLOW_PRESET_MEDIUM
    )
    return np.stack([dis.calc(a, b, None) for a, b in zip(gray, gray[1:])])


def magnitude(flow: np.ndarray) -> np.ndarray:
    """Return sqrt(x² + y²), (..., H, W), as the paper's Fig. 4."""
    return np.hypot(flow[..., 0], flow[..., 1])


def flow_auc(
    values: np.ndarray, motion: np.ndarray, top: float = 0.2
) -> float:
    """Return the area under the ROC curve of a map finding moving pixels.

    Args:
        values: (H, W) map.
        motion: Magnitude of the flow, (H, W), mean over the clip.
        top: Share of the pixels that should be found, those with the largest
            magnitude.

    Returns:
        1 if every moving pixel has a larger value than every other one,
        0.5 for chance or a constant map; NaN if nothing moves.
    """
    moving = motion > np.quantile(motion, 1 - top)
    if not moving.any():
        return float('nan')
    return float(roc_auc_score(moving.ravel(), values.ravel()))


def share_inside(
    values: np.ndarray, boxes: Sequence[int] | np.ndarray
) -> float:
    """Return the share of the mass of maps that is inside boxes.

    An empty map counts as constant: its share is that of the area.

    Args:
        values: (H, W) map, or (N, H, W) maps.
        boxes: A box (4,), or one for each map, (N, 4), which may stick out.
    """
    if not values.any():
        values = np.ones_like(values)
    maps = values.reshape(-1, *values.shape[-2:])
    inside = sum(
        maps[n, y1:y2, x1:x2].sum(dtype=float)
        for n, (x1, y1, x2, y2) in enumerate(
            np.broadcast_to(boxes, (len(maps), 4)).clip(0)
        )
    )
    return float(inside / maps.sum(dtype=float))


def centre_prior(height: int, width: int) -> np.ndarray:
    """Return a map that falls off from the centre, (H, W) in (0, 1].

    It is a Gaussian with a standard deviation of a quarter of each side.
    Always looking at the centre is hard to beat if actors are centred.
    """
    y = (np.arange(height) + 0.5) / height - 0.5
    x = (np.arange(width) + 0.5) / width - 0.5
    return np.exp(-(y[:, None] ** 2 + x**2) / (2 * 0.25**2))


def off_centre_window(
    motion: np.ndarray, share: float, away: float, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw a crop that shows the motion, but away from its centre.

    Args:
        motion: Magnitude of the flow, (H, W).
        share: Sides of the crop as a share of the frame's sides.
        away: Smallest distance from the centre of the crop to the centroid
            of the motion, along x or along y, as a share of the crop's
            side; the centroid stays a tenth of a side inside the crop.
        rng: The only source of randomness.

    Returns:
        (x1, y1, x2, y2); the farthest crop if none is that far away.
    """
    height, width = motion.shape
    h, w = round(height * share), round(width * share)
    mass = np.where(motion > np.quantile(motion, 0.8), motion, 0)
    if not mass.any():
        mass = np.ones_like(motion)
    cy, cx = (
        np.arange(n) @ mass.sum(axis) / mass.sum()
        for n, axis in ((height, 1), (width, 0))
    )
    # Distance of the centroid from the crop's centre, for all possible crops.
    off_y = abs((cy - np.arange(height - h + 1)) / h - 0.5)[:, None]
    off_x = abs((cx - np.arange(width - w + 1)) / w - 0.5)[None]
    off = np.where(
        (off_y <= 0.4) & (off_x <= 0.4), np.maximum(off_y, off_x), -1
    )
    allowed = np.argwhere(off >= min(away, off.max()))
    y, x = allowed[rng.integers(len(allowed))].tolist()
    return x, y, x + w, y + h


def direction_histogram(flow: np.ndarray, top: float = 0.2) -> np.ndarray:
    """Return the directions in which the pixels of a clip move.

    Args:
        flow: (N - 1, H, W, 2) flow, x to the right and y down.
        top: Share of the pixels that count, those with the largest mean
            magnitude.

    Returns:
        (8,) shares of :data:`DIRECTIONS`, in which each pixel of each frame
        is weighted by its motion. They sum to 1, or to 0 if nothing moves.
    """
    size = magnitude(flow)
    mean = size.mean(0)
    moving = mean > np.quantile(mean, 1 - top)
    weight = (size * moving).ravel()
    if not weight.any():
        return np.zeros(8)
    angle = np.arctan2(flow[..., 1], flow[..., 0]).ravel()
    bins = np.rint(angle / (np.pi / 4)).astype(int) % 8
    return np.bincount(bins, weight, 8) / weight.sum()


def dominant_motion(flow: np.ndarray, still: float = 0.005) -> str:
    """Describe the motion of a whole clip in one word.

    Args:
        flow: (N - 1, H, W, 2) flow, x to the right and y down.
        still: Mean magnitude of the top 20 % of the pixels below which a clip
            is static, as a share of the frame's height per frame.

    Returns:
        ``'static'``; ``'horizontal'`` or ``'vertical'`` if that axis has at
        least 60 % of the motion; otherwise ``'mixed'``.
    """
    mean = magnitude(flow).mean(0)
    moving = mean > np.quantile(mean, 0.8)
    if not moving.any() or mean[moving].mean() < still * flow.shape[1]:
        return 'static'
    x, y = abs(flow[:, moving]).sum((0, 1))
    if max(x, y) < 0.6 * (x + y):
        return 'mixed'
    return 'horizontal' if x > y else 'vertical'
