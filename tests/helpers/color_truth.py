"""The five colour operations written out, to hold the fast path against.

Float64 RGB pixels in grey levels, any leading shape; no rounding, no
clipping. Contrast takes the mean luma of the pixels it is given.
"""

import numpy as np

NAMES = ('brightness', 'contrast', 'saturation', 'hue', 'grayscale')


def luma(p):
    return 0.299 * p[..., 0] + 0.587 * p[..., 1] + 0.114 * p[..., 2]


def brightness(p, factor):
    return factor * p


def contrast(p, factor):
    return factor * p + (1 - factor) * luma(p).mean()


def saturation(p, factor):
    gray = luma(p)[..., None]
    return factor * p + (1 - factor) * gray


def hue(p, turns):
    """Turn the colour differences U and V, keep the luma."""
    y = luma(p)
    u = 0.492111 * (p[..., 2] - y)
    v = 0.877283 * (p[..., 0] - y)
    cos, sin = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    u, v = cos * u - sin * v, sin * u + cos * v
    red, blue = y + v / 0.877283, y + u / 0.492111
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    return np.stack([red, green, blue], axis=-1)


def grayscale(p, drop):
    return np.stack([luma(p)] * 3, axis=-1) if drop else p


OPERATIONS = dict(
    zip(NAMES, (brightness, contrast, saturation, hue, grayscale))
)


def chain(p, values, order=NAMES):
    """Apply all operations in an order; ``values`` by name."""
    p = np.asarray(p, np.float64)
    for name in order:
        p = OPERATIONS[name](p, values[name])
    return p


def to_levels(p):
    """Round and clip to 0..255, as int64 so that differences are signed."""
    return np.clip(np.rint(p), 0, 255).astype(np.int64)
