"""Colour jitter as one affine map per frame: drawn first, applied later.

Brightness, contrast, saturation, hue and greyscale each map a pixel p to
A p + o. With G the matrix that replaces a pixel by its luma (its three rows
are the BT.601 weights), the five are

    brightness b    b p
    contrast   c    c p + (1 - c) m       m: mean luma of the frame's window
    saturation s    (G + s (I - G)) p
    hue        t    (G + cos t (I - G) + sin t R) p      rotation of chroma
    greyscale       G p                                  saturation 0

All of them keep grey pixels grey, and all but brightness and contrast keep
luma, so they commute: in any order, and transforming m along with the pixels,
the result is

    b c (G + s cos t (I - G) + s sin t R) p + b (1 - c) m.

So no order is drawn. The authors' release, which clips after every operation
and rotates hue in HSV, draws one. Here values are rounded and clipped once, at
the end. The chroma plane is that of YIQ (that of YUV, rotated by 33 degrees:
rotations are the same in both).
"""

from dataclasses import dataclass
from numbers import Real

import cv2
import numpy as np

#: BT.601 luma weights of R, G, B.
LUMA = np.array([0.299, 0.587, 0.114])


def _bases() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return G, I - G and R of the module's docstring, each (3, 3)."""
    gray = np.tile(LUMA, (3, 1))
    rgb_to_yuv = np.stack(
        [
            LUMA,
            0.492111 * (np.array([0, 0, 1]) - LUMA),
            0.877283 * (np.array([1, 0, 0]) - LUMA),
        ]
    )
    quarter_turn = np.array([[0, 0, 0], [0, 0, -1], [0, 1, 0]])
    rotation = np.linalg.inv(rgb_to_yuv) @ quarter_turn @ rgb_to_yuv
    return gray, np.eye(3) - gray, rotation


#: (3, 3, 3): the three matrices whose weighted sum is every linear part.
BASES = np.stack(_bases())


@dataclass(frozen=True, eq=False)
class ColorParams:
    """Drawn jitter; all attributes share one shape, such as (C, N).

    Attributes:
        brightness: Factor b, float64.
        contrast: Factor c, float64.
        saturation: Factor s, float64.
        hue: Angle t in full turns, float64 in [-0.5, 0.5].
        grayscale: Whether the frame is grey, bool.
    """

    brightness: np.ndarray
    contrast: np.ndarray
    saturation: np.ndarray
    hue: np.ndarray
    grayscale: np.ndarray

    def coefficients(self) -> np.ndarray:
        """Return the coefficients of the affine maps, without the mean luma.

        Returns:
            (..., 4) float64: the weights of the three :data:`BASES` and
            the factor b (1 - c) of the mean luma.
        """
        scale = self.brightness * self.contrast
        chroma = scale * np.where(self.grayscale, 0, self.saturation)
        angle = 2 * np.pi * self.hue
        return np.stack(
            [
                scale,
                chroma * np.cos(angle),
                chroma * np.sin(angle),
                self.brightness * (1 - self.contrast),
            ],
            axis=-1,
        )

    def matrices(self, luma: np.ndarray) -> np.ndarray:
        """Return one affine map for each draw.

        Args:
            luma: Mean luma m of every frame's window, in grey levels, in
                the shape of the draws.

        Returns:
            (..., 3, 4) float32: [A | o] for RGB pixels in 0..255.
        """
        coefficients = self.coefficients()
        out = np.empty((*luma.shape, 3, 4), np.float32)
        linear = coefficients[..., :3] @ BASES.reshape(3, 9)
        out[..., :3] = linear.reshape(*luma.shape, 3, 3)
        out[..., 3] = (coefficients[..., 3] * luma)[..., None]
        return out


@dataclass(frozen=True)
class ColorJitter:
    """Strengths of the jitter (paper appendix; values of the release).

    Args:
        brightness: Strength v of brightness; the factor is drawn from
            [max(0, 1 - v), 1 + v].
        contrast: Strength of contrast, likewise.
        saturation: Strength of saturation, likewise.
        hue: Strength v of hue, at most 0.5; the angle is drawn from [-v, v]
            turns.
        grayscale: Probability that a clip is grey.
        per_frame: Whether every frame has its own draw; otherwise all frames
            of a clip share one.
        grayscale_per_frame: Whether ``grayscale`` is the probability for a
            frame instead of a clip, with ``per_frame``. Clips then mix grey
            and coloured frames.

    Raises:
        ValueError: If a strength is negative or too large.
    """

    brightness: float = 0.5
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 0.25
    grayscale: float = 0.3
    per_frame: bool = True
    grayscale_per_frame: bool = False

    def __post_init__(self) -> None:
        limits = dict(
            brightness=None,
            contrast=None,
            saturation=None,
            hue=0.5,
            grayscale=1.0,
        )
        for name, most in limits.items():
            value = getattr(self, name)
            is_number = isinstance(value, Real)
            if (
                not is_number
                or not np.isfinite(value)
                or not 0 <= value <= (np.inf if most is None else most)
            ):
                allowed = 'at least 0' if most is None else f'in [0, {most}]'
                raise ValueError(
                    f'colour jitter: {name}={value!r}, allowed is a number '
                    f'{allowed}'
                )

    def draw(
        self, shape: tuple[int, int], rng: np.random.Generator
    ) -> ColorParams:
        """Draw the jitter of C clips of N frames.

        Args:
            shape: Numbers of clips and frames, (C, N).
            rng: The only source of randomness.

        Returns:
            Parameters of shape (C, N).
        """
        once = (shape[0], 1)
        drawn = shape if self.per_frame else once
        drawn_gray = drawn if self.grayscale_per_frame else once

        def factor(strength):
            return rng.uniform(max(0, 1 - strength), 1 + strength, drawn)

        params: list[np.ndarray] = [
            factor(self.brightness),
            factor(self.contrast),
            factor(self.saturation),
            rng.uniform(-self.hue, self.hue, drawn),
            rng.random(drawn_gray) < self.grayscale,
        ]
        params = [np.broadcast_to(p, shape) for p in params]
        for values in params:
            values.flags.writeable = False
        return ColorParams(*params)


def window_luma(
    image: np.ndarray, offsets: np.ndarray, size: int
) -> np.ndarray:
    """Return the mean luma of square windows of an image.

    One summed-area table serves any number of windows.

    Args:
        image: Source image, (H, W, 3) uint8 RGB.
        offsets: Upper left corners (x, y), (..., 2) int.
        size: Side of the windows in pixels.

    Returns:
        (...) float64, in grey levels.
    """
    return table_luma(luma_table(image), offsets, size)


def luma_table(image: np.ndarray) -> np.ndarray:
    """Return the summed-area table of an image, for :func:`table_luma`."""
    # 32-bit sums may wrap around, but their differences are right as long as
    # no window has more than 8.4 million pixels.
    depth = cv2.CV_32S if image.size < 2**23 else cv2.CV_64F
    return cv2.integral(image, sdepth=depth)


def table_luma(
    table: np.ndarray, offsets: np.ndarray, size: int
) -> np.ndarray:
    """Like :func:`window_luma`, from the table of an image."""
    x, y = offsets[..., 0], offsets[..., 1]
    total = (
        table[y + size, x + size]
        - table[y, x + size]
        - table[y + size, x]
        + table[y, x]
    )  # (..., 3)
    return total @ (LUMA / size**2)


def apply_color(
    image: np.ndarray, matrix: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Apply one affine map to every pixel, round and clip to 0..255.

    Args:
        image: Image, (H, W, 3) uint8 RGB.
        matrix: Affine map, (3, 4) float32, see :meth:`ColorParams.matrices`.
        out: Array to write to, same shape and dtype as ``image``.

    Returns:
        ``out``, or a new array: (H, W, 3) uint8 RGB. OpenCV computes in
        fixed point with 10 bits, so values may differ by one level.
    """
    # OpenCV processes arrays with gaps between their rows row by row, each at
    # the cost of a hundred pixels: copying the patch first is cheaper.
    image = np.ascontiguousarray(image)
    if out is None or out.flags.c_contiguous:
        return cv2.transform(image, matrix, dst=out)
    out[...] = cv2.transform(image, matrix)
    return out
