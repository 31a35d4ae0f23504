"""Mattes: the visible part of a foreground. Boxes, as in Eq. 3, and others.

A matte is a closed outline in a square box. It is soft or hard, and it stays
in place, as in the paper, or travels with its content, as an object does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np

from .labels import read_only

#: Shapes of a matte; ``'mixed'`` draws one of the others for each matte.
SHAPES = ('box', 'ellipse', 'polygon', 'blob', 'mixed')

#: Number of points of an outline.
POINTS = 48


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
    outlines = _fitted(np.array([_OUTLINES[s](rng) for s in shapes]))
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


def _box(rng: np.random.Generator) -> np.ndarray:
    return _BOX


def _ellipse(rng: np.random.Generator) -> np.ndarray:
    """An ellipse in any direction, with axes of at most 1 : 0.6."""
    ratio, turn = rng.uniform(0.6, 1), rng.uniform(0, np.pi)
    return _turned(_CIRCLE * (1, ratio), turn)


def _polygon(rng: np.random.Generator) -> np.ndarray:
    """A star-shaped polygon of three to eight corners."""
    corners = int(rng.integers(3, 9))
    step = 2 * np.pi / corners
    angle = step * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners))
    radius = rng.uniform(0.55, 1, corners)[:, None]
    points = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _along(_turned(points, rng.uniform(0, 2 * np.pi)))


def _blob(rng: np.random.Generator) -> np.ndarray:
    """A smooth closed curve: a circle with a few slow waves on it."""
    waves = np.arange(2, 6)
    height = rng.normal(0, 0.25, 4) / (waves - 1)
    phase = rng.uniform(0, 2 * np.pi, 4)
    radius = 1 + np.cos(waves * _ANGLE[:, None] + phase) @ height
    return np.maximum(radius, 0.3)[:, None] * _CIRCLE


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def _fitted(points: np.ndarray) -> np.ndarray:
    """Move and scale outlines into their boxes, so that they touch them."""
    low = points.min(-2, keepdims=True)
    high = points.max(-2, keepdims=True)
    most = (high - low).max(-1, keepdims=True)
    return (points - (low + high) / 2) / (most / 2)


@cache
def _parts(corners: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the edge of each point, the next one, and how far along it is."""
    ends = np.linspace(0, POINTS, corners + 1).round().astype(int)
    edge = np.repeat(np.arange(corners), np.diff(ends))
    share = (np.arange(POINTS) - ends[edge]) / np.diff(ends)[edge]
    return edge, (edge + 1) % corners, share[:, None]


def _along(corners: np.ndarray) -> np.ndarray:
    """Return points along the edges of a polygon, all corners included."""
    edge, following, share = _parts(len(corners))
    start = corners[edge]
    return start + (corners[following] - start) * share


_ANGLE = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], 1)
_BOX = _along(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float))
_OUTLINES = dict(box=_box, ellipse=_ellipse, polygon=_polygon, blob=_blob)


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
