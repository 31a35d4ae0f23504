"""Mattes: the visible part of a foreground. Boxes, as in Eq. 3, and others.

A matte is a closed outline in a square box. It is soft or hard, and it stays
in place, as in the paper, or travels with its content, as an object does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .labels import read_only

#: Shapes of a matte; ``'mixed'`` draws one of the others for each matte.
SHAPES = ('box', 'ellipse', 'polygon', 'blob', 'mixed')

#: Number of points of an outline.
POINTS = 48

#: Smallest and largest number of corners of a polygon.
MIN_CORNERS, MAX_CORNERS = 3, 8


@dataclass(frozen=True, eq=False)
class Matte:
    """Outlines in square boxes; ``...`` is (C,), or (C, D) for distractors.

    Attributes:
        sides: Side of each box in pixels, (...) int64.
        outlines: Points (x, y) from the centre of the box, as a ratio of
            half its side, (..., 48, 2) float32.
        soft: Width of the soft edge as a ratio of the side; 0 is hard.
        travels: Whether the matte moves with its content.
    """

    sides: np.ndarray
    outlines: np.ndarray
    soft: float = 0.0
    travels: bool = False

    @cached_property
    def alphas(self) -> list[np.ndarray]:
        """Opacity of every box, each (side, side) uint8; pure."""
        outlines = self.outlines.reshape(-1, *self.outlines.shape[-2:])
        return _fill(self.sides.ravel(), outlines, self.soft)

    def __getstate__(self) -> dict:
        # Computed values are not sent between processes.
        return {k: v for k, v in self.__dict__.items() if k != 'alphas'}


@dataclass(frozen=True, eq=False)
class Distractors:
    """D shapes per clip that belong to the background and move with it.

    Attributes:
        matte: Their mattes, (C, D).
        corners: Upper left corner (x, y) of the boxes in the first frame,
            (C, D, 2) int64, in pixels of the crop.
        shifts: Displacement from the background's window to the window that
            they show, (C, D, 2) int64, in pixels of the source image.
        visible: Whether they are visible in each frame, (C, D, N) bool; some
            flicker.
    """

    matte: Matte
    corners: np.ndarray
    shifts: np.ndarray
    visible: np.ndarray


def draw_matte(
    sides: np.ndarray,
    shape: str,
    soft: float,
    travels: bool,
    rng: np.random.Generator,
) -> Matte:
    """Draw an outline for every box.

    Args:
        sides: Sides of the boxes in pixels, (...) int64.
        shape: Shape of the mattes, one of :data:`SHAPES`.
        soft: Width of the soft edge as a ratio of the side, in [0, 1].
        travels: Whether the mattes move with their content.
        rng: The only source of randomness.
    """
    shapes: Sequence[str] = [shape] * sides.size
    if shape == 'mixed':
        shapes = [SHAPES[i] for i in rng.integers(0, 4, sides.size)]
    # Numbers are drawn in turn, outlines are computed together.
    numbers = np.zeros((sides.size, 2 * MAX_CORNERS + 2))
    for name, row in zip(shapes, numbers):
        _DRAW[name](rng, row)
    outlines = np.empty((sides.size, POINTS, 2))
    for name in set(shapes):
        where = [i for i, s in enumerate(shapes) if s == name]
        outlines[where] = _OUTLINES[name](numbers[where])
    outlines = _fitted(outlines)
    return Matte(
        read_only(sides.copy()),
        read_only(
            outlines.astype(np.float32).reshape(*sides.shape, POINTS, 2)
        ),
        float(soft),
        bool(travels),
    )


def check_matte(shape: str, soft: float, num_distractors: int) -> None:
    """Check the arguments of a matte.

    Raises:
        ValueError: If one is out of range.
    """
    if shape not in SHAPES:
        raise ValueError(f'shape={shape!r}: allowed are {SHAPES}')
    if not isinstance(soft, (int, float)) or not 0 <= soft <= 1:
        raise ValueError(
            f"soft={soft!r}: the edge's width as a ratio of the box's side, "
            'a number in [0, 1]'
        )
    if (
        isinstance(num_distractors, bool)
        or not isinstance(num_distractors, (int, np.integer))
        or num_distractors < 0
    ):
        raise ValueError(
            f'num_distractors={num_distractors!r}: a whole number, at least 0'
        )


def _boxes(numbers: np.ndarray) -> np.ndarray:
    return _BOX


def _ellipses(numbers: np.ndarray) -> np.ndarray:
    """Ellipses in any direction, with axes of at most 1 : 0.6."""
    ratio, turn = numbers[:, 0, None], numbers[:, 1, None]
    x, y = _CIRCLE.T
    return _turned(x, (0.6 + 0.4 * ratio) * y, np.pi * turn)


def _polygons(numbers: np.ndarray) -> np.ndarray:
    """Star-shaped polygons of three to eight corners."""
    counts = numbers[:, -1:].astype(int)
    corner = np.arange(MAX_CORNERS)  # beyond the count, none is used
    polygon = np.arange(len(counts))[:, None]
    angle = corner + (numbers[:, :MAX_CORNERS] * 0.6 - 0.3)
    angle *= 2 * np.pi / counts
    radius = 0.55 + (1 - 0.55) * numbers[polygon, counts + corner]
    turn = 2 * np.pi * numbers[polygon, 2 * counts]
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    start, end, share = (p[counts[:, 0] - MIN_CORNERS] for p in _PARTS)
    return _between(_turned(x, y, turn), start, end, share)


def _blobs(numbers: np.ndarray) -> np.ndarray:
    """Smooth closed curves: a circle with a few slow waves on it."""
    height = numbers[:, None, :4] * 0.25 / (_WAVES - 1)
    phase = 2 * np.pi * numbers[:, None, 4:8]
    waves = np.cos(_WAVES * _ANGLE[:, None] + phase)  # (n, 48, 4)
    radius = 1 + (waves * height).sum(-1)
    return np.maximum(radius, 0.3)[..., None] * _CIRCLE


def _turned(x: np.ndarray, y: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    out = np.empty((*y.shape, 2))
    out[..., 0] = x * cos - y * sin
    out[..., 1] = x * sin + y * cos
    return out


def _fitted(points: np.ndarray) -> np.ndarray:
    """Move and scale outlines into their boxes, so that they touch them."""
    # NumPy is slow along an axis that is not the last one.
    rows = points.swapaxes(-1, -2).copy()
    low, high = rows.min(-1)[..., None, :], rows.max(-1)[..., None, :]
    most = (high - low).max(-1, keepdims=True)
    return (points - (low + high) / 2) / (most / 2)


def _parts(corners: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the edge of each point, the next one, and how far along it is."""
    ends = np.linspace(0, POINTS, corners + 1).round().astype(int)
    edge = np.repeat(np.arange(corners), np.diff(ends))
    share = (np.arange(POINTS) - ends[edge]) / np.diff(ends)[edge]
    return edge, (edge + 1) % corners, share


def _between(
    corners: np.ndarray,
    edge: np.ndarray,
    following: np.ndarray,
    share: np.ndarray,
) -> np.ndarray:
    """Return points along the edges of polygons, all corners included.

    Args:
        corners: Corners of n polygons, (n, M, 2).
        edge: Corner before each point, (n, 48) int.
        following: Corner after it, likewise.
        share: Share of the way between them, (n, 48).
    """
    polygon = np.arange(len(corners))[:, None]
    start = corners[polygon, edge]
    return start + (corners[polygon, following] - start) * share[..., None]


_ANGLE = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], 1)
_WAVES = np.arange(2, 6)
#: For each number of corners, see `_parts`; (6, 48) each.
_PARTS = [
    np.array(x) for x in zip(*map(_parts, range(MIN_CORNERS, MAX_CORNERS + 1)))
]
_SQUARE = np.array([[[-1, -1], [1, -1], [1, 1], [-1, 1]]], float)
_BOX = _between(_SQUARE, *(x[[4 - MIN_CORNERS]] for x in _PARTS))


def _draw_ellipse(rng: np.random.Generator, into: np.ndarray) -> None:
    rng.random(out=into[:2])


def _draw_polygon(rng: np.random.Generator, into: np.ndarray) -> None:
    corners = int(rng.integers(MIN_CORNERS, MAX_CORNERS + 1))
    rng.random(out=into[: 2 * corners + 1])
    into[-1] = corners


def _draw_blob(rng: np.random.Generator, into: np.ndarray) -> None:
    rng.standard_normal(out=into[:4])
    rng.random(out=into[4:8])


#: Draws the numbers that define one outline.
_DRAW = dict(
    box=lambda rng, into: None,
    ellipse=_draw_ellipse,
    polygon=_draw_polygon,
    blob=_draw_blob,
)
#: Outlines of a shape, (n, 48, 2), from these numbers.
_OUTLINES = dict(box=_boxes, ellipse=_ellipses, polygon=_polygons, blob=_blobs)


def _fill(
    sides: np.ndarray, outlines: np.ndarray, soft: float
) -> list[np.ndarray]:
    """Return the opacity in boxes, each (side, side) uint8."""
    # Two box filters give an edge of about twice their width; the outline
    # shrinks by half an edge, so that the box cuts off none of it.
    reach = (soft * sides / 4).astype(int)
    half = np.maximum((sides - 2 * reach) / 2, 0.5)
    # Fixed point with 4 bits; the border is at the outermost pixels' centres.
    scaled = outlines * (half - 0.5)[:, None, None]
    points = np.rint((scaled + ((sides - 1) / 2)[:, None, None]) * 16)
    alphas = []
    for side, some, more in zip(
        sides.tolist(), points.astype(np.int32), reach.tolist()
    ):
        alpha = np.zeros((side, side), np.uint8)
        cv2.fillPoly(alpha, [some], 255, cv2.LINE_8, 4)
        for _ in range(2 if more else 0):
            alpha = cv2.blur(
                alpha, (2 * more + 1,) * 2, borderType=cv2.BORDER_CONSTANT
            )
        alphas.append(read_only(alpha))
    return alphas
