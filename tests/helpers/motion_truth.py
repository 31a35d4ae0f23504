"""Measure motion in rendered pixels, knowing nothing of how they were made.

The tests of the label's truth ask these functions what a clip shows and
compare the answer with what its label says. Positive is the window's way to
the right and down, as in the paper's Eq. 2; the picture's content moves the
opposite way.
"""

import cv2
import numpy as np

#: Luma of a clip is what every colour operation leaves as it was, up to a
#: factor and an offset a frame, which a correlation does not see.
LUMA = np.array([0.299, 0.587, 0.114])


def textured_image(size, seed=0):
    """A source image whose windows all differ: noise of all scales, edges.

    Args:
        size: Side or (H, W) in pixels.
        seed: Of the noise; equal seeds, equal pixels.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    height, width = (size, size) if np.ndim(size) == 0 else size
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    for sigma in (0.7, 1.5, 4, 12):
        noise = cv2.GaussianBlur(
            rng.standard_normal(image.shape), (0, 0), sigma
        )
        image += noise / noise.std()
    for _ in range(height * width // 400 + 2):  # discs and boxes: edges
        x, y = (int(rng.integers(0, n)) for n in (width, height))
        r = int(rng.integers(1, 12))
        color = rng.normal(0, 2, 3).tolist()
        patch = np.zeros((height, width), np.uint8)
        if rng.random() < 0.5:
            cv2.circle(patch, (x, y), r, 1, -1)
        else:
            cv2.rectangle(patch, (x - r, y - r // 2), (x + r, y + r), 1, -1)
        image[patch > 0] = 0.5 * image[patch > 0] + color
    return np.clip(128 + 24 * image, 0, 255).astype(np.uint8)


def measured_motion(clip, box=None, max_step=None):
    """Return by how many pixels the window of a clip moved, first to last.

    Each frame is laid over the next in all ways up to ``max_step`` pixels,
    and every way is judged by the correlation of the luma where the two
    overlap: an exhaustive block matching, done by Fourier transform. The
    answer is the steady motion (Eq. 2: uniform gaps) on which all pairs of
    frames together agree best. Where the pixels show nothing, it is (0, 0).

    Args:
        clip: (N, L, L, 3) uint8 RGB.
        box: (x1, y1, x2, y2) of the part that moves; None for all of it.
        max_step: Largest step between two frames looked for, in pixels; by
            default a quarter of the clip's side or half of the box's.

    Returns:
        (dx, dy) in pixels, positive for a window going right and down.
    """
    height, width = clip.shape[1:3]
    x1, y1, x2, y2 = (0, 0, width, height) if box is None else box
    luma = clip[:, y1:y2, x1:x2] @ LUMA  # (N, h, w)
    if max_step is None:
        max_step = min(luma.shape[1:]) // (4 if box is None else 2)
    evidence = _evidence(luma, max_step)  # (N-1, 2 max_step+1, 2 max_step+1)

    gaps = len(clip) - 1
    totals = np.arange(-max_step * gaps, max_step * gaps + 1)
    steps = _steps(totals, gaps) + max_step  # (totals, gaps), as indices
    score = sum(e[steps[:, n]][:, steps[:, n]] for n, e in enumerate(evidence))
    # A hair in favour of less motion decides where nothing is to be seen.
    score = score - 1e-6 * (abs(totals)[:, None] + abs(totals))
    dy, dx = np.unravel_index(score.argmax(), score.shape)
    return int(totals[dx]), int(totals[dy])


def measured_label(clip, pool, source_size, box=None):
    """Return the label of a pool whose motion a clip shows.

    Args:
        clip: (N, L, L, 3) uint8 RGB.
        pool: LabelPool.
        source_size: Side or (H, W) of the image the clip was cut out of.
        box: As in :func:`measured_motion`.

    Returns:
        Index of the label whose displacement (Eq. 2) is the nearest.
    """
    source = (
        (source_size, source_size)
        if np.ndim(source_size) == 0
        else source_size
    )
    room = np.array([source[1] - clip.shape[2], source[0] - clip.shape[1]])
    told = pool.speeds * room / pool.max_speed  # (C, 2)
    away = np.linalg.norm(told - measured_motion(clip, box), axis=1)
    return int(away.argmin())


def _steps(totals, gaps):
    """Whole-pixel steps of steady motions, (totals, gaps) int."""
    share = np.arange(gaps + 1) / gaps
    way = np.floor(abs(totals)[:, None] * share + 0.5 + 1e-9)
    return np.diff(np.sign(totals)[:, None] * way, axis=1).astype(int)


def _evidence(luma, max_step):
    """How well each frame fits the next one, for all small shifts.

    Entry (sy, sx) of a pair belongs to a window that went (sx, sy) - max_step
    pixels. It is the log-likelihood of the correlation r of n overlapping
    pixels, -n/2 log(1 - r²): a good fit of many pixels outdoes that of few.
    """
    n_frames, height, width = luma.shape
    shape = (n_frames, height + max_step, width + max_step)
    luma = luma - luma.mean(axis=(1, 2), keepdims=True)

    def spectrum(values):
        return np.fft.rfft2(values, s=shape[1:])

    def overlap(first, second):
        """Sums of products first[p + shift] second[p], over all p."""
        sums = np.fft.irfft2(first * second.conj(), s=shape[1:])
        shifts = np.arange(-max_step, max_step + 1)
        return sums[:, shifts][:, :, shifts]

    one = spectrum(np.ones((1, height, width)))
    value, square = spectrum(luma), spectrum(luma**2)
    a, b, aa, bb = value[:-1], value[1:], square[:-1], square[1:]
    n = np.rint(overlap(one, one))
    sum_a, sum_b = overlap(a, one), overlap(one, b)
    covariance = overlap(a, b) - sum_a * sum_b / n
    variance = (overlap(aa, one) - sum_a**2 / n) * (
        overlap(one, bb) - sum_b**2 / n
    )
    # Less than one grey level squared a pixel is rounding, not texture.
    seen = variance > n**2
    r = np.where(seen, covariance, 0) / np.sqrt(np.where(seen, variance, 1))
    return -n / 2 * np.log1p(-(np.clip(r, 0, 0.9995) ** 2))
