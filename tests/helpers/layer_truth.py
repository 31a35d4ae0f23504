"""Measure shift, zoom, rotation and swing of a part of a clip, from pixels.

As :mod:`motion_truth`, these functions know nothing of how a clip was made;
they are told in which part of each frame to look. Every frame is laid over
the next one: a weighted correlation finds the shift, then a general affine
map is fitted (OpenCV's ECC, which no brightness or contrast disturbs), to the
next frame and then to the first one. The
window's motion is the inverse of the picture's.
"""

from typing import NamedTuple

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114])


class Seen(NamedTuple):
    """The window's motion from frame to frame, N - 1 steps of each.

    Attributes:
        shift: (N - 1, 2) pixels, right and down.
        zoom: (N - 1,) growth of the picture, as a logarithm.
        turn: (N - 1,) radians, clockwise.
    """

    shift: np.ndarray
    zoom: np.ndarray
    turn: np.ndarray


def measure(clip, masks, max_step=20):
    """Return what the window of a part of a clip does.

    Args:
        clip: (N, L, L, 3) uint8 RGB.
        masks: (N, L, L) bool, where to look.
        max_step: Largest step looked for, in pixels.
    """
    luma = (clip @ LUMA).astype(np.float32)
    y, x = (v.mean() for v in np.nonzero(masks[0]))
    total, totals = np.eye(3), []
    for n in range(1, len(clip)):
        dx, dy = _correlate(
            luma[n - 1], luma[n], masks[n - 1], masks[n], max_step
        )
        shift = np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]], float)
        step = _fit(luma[n - 1], luma[n], masks[n - 1], masks[n], shift)
        guess = (shift if step is None else step) @ total
        # Over the whole way no error adds up, as long as there is enough
        # that both frames show.
        direct = _fit(luma[0], luma[n], masks[0], masks[n], guess)
        total = guess if direct is None else direct
        totals.append(total)
    maps = np.array(totals)
    moved = (maps @ [x, y, 1])[:, :2] - (x, y)
    u, _, v = np.linalg.svd(maps[:, :2, :2])
    rotation = u @ v
    angle = -np.unwrap(np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]))
    zoom = 0.5 * np.log(abs(np.linalg.det(maps[:, :2, :2])))
    return Seen(
        -np.diff(moved, axis=0, prepend=0),
        np.diff(zoom, prepend=0),
        np.diff(angle, prepend=0),
    )


def texture(frame, mask):
    """Return how much a part of a frame changes in its poorest direction.

    Along it, nobody can see a motion where this is next to nothing.

    Args:
        frame: (L, L, 3) uint8 RGB.
        mask: (L, L) bool, where to look.

    Returns:
        Standard deviation of the slope, in grey levels a pixel.
    """
    luma = (frame @ LUMA).astype(np.float32)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3))) > 0
    if inside.sum() < 20:
        return 0.0
    slopes = [
        cv2.Sobel(luma, cv2.CV_32F, *axis)[inside] / 8
        for axis in ((1, 0), (0, 1))
    ]
    spread = np.linalg.eigvalsh(np.cov(slopes, bias=True))
    return float(max(spread[0], 0)) ** 0.5


def _fit(one, two, mask, mask_two, guess):
    """Fit an affine map, (3, 3), to what both masks show; None if unfit."""
    # ECC's mask is one of the second frame.
    there = cv2.warpAffine(
        mask.astype(np.uint8),
        guess[:2],
        mask.shape[::-1],
        flags=cv2.INTER_NEAREST,
    )
    overlap = there * mask_two
    if overlap.sum() < max(100, 0.2 * mask.sum()):
        return None
    try:
        quality, fitted = cv2.findTransformECC(
            one,
            two,
            guess[:2].astype(np.float32),
            cv2.MOTION_AFFINE,
            (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-6),
            overlap,
            3,
        )
    except cv2.error:  # did not converge
        return None
    matrix = np.eye(3)
    matrix[:2] = fitted
    change = matrix @ np.linalg.inv(guess)
    if quality < 0.8 or abs(change[:2, :2] - np.eye(2)).max() > 0.35:
        return None
    return matrix


def _correlate(one, two, mask, mask_two, max_step):
    """Return the whole-pixel shift of the picture that fits best."""
    size = one.shape[0] + max_step
    w1, w2 = mask.astype(float), mask_two.astype(float)
    a = (one - one[mask].mean()) * w1 if mask.any() else one * 0
    b = (two - two[mask_two].mean()) * w2 if mask_two.any() else two * 0

    def cross(p, q):
        f = np.fft.rfft2(p, s=(size, size)).conj()
        out = np.fft.irfft2(f * np.fft.rfft2(q, s=(size, size)), s=(size,) * 2)
        at = np.arange(-max_step, max_step + 1)
        return out[at][:, at]

    n = np.maximum(np.rint(cross(w1, w2)), 1e-9)
    sa, sb = cross(a, w2), cross(w1, b)
    cov = cross(a, b) - sa * sb / n
    var = (cross(a * a, w2) - sa**2 / n) * (cross(w1, b * b) - sb**2 / n)
    enough = (n > 30) & (var > n**2)
    r = np.where(enough, cov, 0) / np.sqrt(np.where(enough, var, 1))
    score = -n / 2 * np.log1p(-(np.clip(r, 0, 0.9995) ** 2))
    dy, dx = np.unravel_index(score.argmax(), score.shape)
    return int(dx) - max_step, int(dy) - max_step


def label_seen(seen, pool, travel, most_zoom, most_turn):
    """Return the label of a pool that is nearest to what was seen.

    Args:
        seen: From :func:`measure`.
        pool: LabelPool.
        travel: Pixels (x, y) of the fastest shift.
        most_zoom: Logarithm of the fastest zoom.
        most_turn: Angle of the fastest turn, in radians.
    """
    k = pool.max_speed
    motion = np.zeros(6)
    motion[:2] = seen.shift.sum(0) / travel * k
    motion[2] = seen.zoom.sum() / most_zoom * k
    motion[3] = seen.turn.sum() / most_turn * k
    if 'swing' in pool.motions:
        cycles, axis = _swing(seen, k)
        if cycles and abs(motion[:4]).max() < 0.75:
            motion[:] = 0
            motion[4 + axis] = cycles
    if not pool.signed:
        motion[[0, 3]] = abs(motion[[0, 3]])
    return int(abs(pool.table - motion).sum(1).argmin())


def _swing(seen, k):
    """Return number of cycles and axis of a swing; 0 where there is none."""
    angle = np.r_[0, seen.turn].cumsum()
    time = np.linspace(0, 1, len(angle))
    if np.ptp(angle) < np.radians(8):
        return 0, 0
    ramp = np.stack([np.ones_like(time), time], 1)

    def rest(columns):
        design = np.concatenate([ramp, *columns], 1)
        fit = np.linalg.lstsq(design, angle, rcond=None)[0]
        return ((angle - design @ fit) ** 2).sum()

    errors = [
        rest(
            [
                np.sin(2 * np.pi * v * time)[:, None],
                np.cos(2 * np.pi * v * time)[:, None],
            ]
        )
        for v in range(1, k + 1)
    ]
    best = int(np.argmin(errors))
    if errors[best] > 0.25 * rest([]):
        return 0, 0
    way = seen.shift.cumsum(0)
    return best + 1, int(np.argmax(way.std(0)))
