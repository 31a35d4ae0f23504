"""Mattes: what of a foreground is seen. Boxes, as in Eq. 3, and odd shapes.

A matte is a closed outline in a square box. It is soft or hard, and stays
where it is, as the paper's, or travels with its content, as an object does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from .labels import read_only

#: Shapes of a matte; ``'mixed'`` draws one of the others for each.
SHAPES = ('box', 'ellipse', 'polygon', 'blob', 'mixed')

#: Points of an outline.
POINTS = 48


@dataclass(frozen=True, eq=False)
class Matte:
    """Outlines in square boxes; ``...`` is (C,), or (C, D) of distractors.

    Attributes:
        sides: Side of each box in pixels, (...) int64.
        outlines: Points (x, y) from the centre of the box, as a ratio of
            half its side, (..., 48, 2) float32.
        soft: Width of the soft edge as a ratio of the side; 0 is hard.
        travels: Whether it moves with its content.
    """

    sides: np.ndarray
    outlines: np.ndarray
    soft: float = 0.0
    travels: bool = False

    @cached_property
    def alphas(self) -> list[np.ndarray]:
        """Opacity of every box, (side, side) uint8 each; pure."""
        sides = self.sides.ravel().tolist()
        outlines = self.outlines.reshape(-1, *self.outlines.shape[-2:])
        return [_fill(s, o, self.soft) for s, o in zip(sides, outlines)]

    def __getstate__(self) -> dict:
        # What is computed does not travel between processes.
        return {k: v for k, v in self.__dict__.items() if k != 'alphas'}


@dataclass(frozen=True, eq=False)
class Distractors:
    """D shapes a clip that belong to the background and have no motion.

    Attributes:
        matte: (C, D) of them.
        corners: Upper left corner (x, y) of the boxes in the first frame,
            (C, D, 2) int64, in pixels of the crop.
        shifts: From the background's window to the one that they show,
            (C, D, 2) int64, in pixels of the source image.
        visible: In which frames they are there, (C, D, N) bool; some
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
        shape: One of :data:`SHAPES`.
        soft: Width of the soft edge as a ratio of the side, in [0, 1].
        travels: Whether they move with their content.
        rng: The only source of randomness.
    """
    shapes: Sequence[str] = [shape] * sides.size
    if shape == 'mixed':
        shapes = [SHAPES[i] for i in rng.integers(0, 4, sides.size)]
    outlines = [_OUTLINES[s](rng) for s in shapes]
    return Matte(
        read_only(sides.copy()),
        read_only(
            np.array(outlines, np.float32).reshape(*sides.shape, POINTS, 2)
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
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    return _along(corners)


def _ellipse(rng: np.random.Generator) -> np.ndarray:
    """An ellipse of any direction, its axes at most 1 : 0.6."""
    ratio, turn = rng.uniform(0.6, 1), rng.uniform(0, np.pi)
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    x, y = np.cos(angle), ratio * np.sin(angle)
    return _fitted(_turned(np.stack([x, y], 1), turn))


def _polygon(rng: np.random.Generator) -> np.ndarray:
    """A star-shaped polygon of three to eight corners."""
    corners = int(rng.integers(3, 9))
    step = 2 * np.pi / corners
    angle = step * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners))
    radius = rng.uniform(0.55, 1, corners)[:, None]
    points = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _fitted(_along(_turned(points, rng.uniform(0, 2 * np.pi))))


def _blob(rng: np.random.Generator) -> np.ndarray:
    """A smooth closed curve: a circle with a few slow waves on it."""
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    waves = np.arange(2, 6)
    height = rng.normal(0, 0.25, 4) / (waves - 1)
    phase = rng.uniform(0, 2 * np.pi, 4)
    radius = 1 + (height * np.cos(waves * angle[:, None] + phase)).sum(1)
    radius = np.maximum(radius, 0.3)[:, None]
    return _fitted(radius * np.stack([np.cos(angle), np.sin(angle)], 1))


_OUTLINES = dict(box=_box, ellipse=_ellipse, polygon=_polygon, blob=_blob)


def _turned(points: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]])


def _fitted(points: np.ndarray) -> np.ndarray:
    """Move and scale an outline into the box, so that it touches it."""
    low, high = points.min(0), points.max(0)
    return (points - (low + high) / 2) / ((high - low).max() / 2)


def _along(corners: np.ndarray) -> np.ndarray:
    """Return points along the edges of a polygon, all corners included."""
    count = len(corners)
    parts = np.diff(np.linspace(0, POINTS, count + 1).round().astype(int))
    following = np.roll(corners, -1, 0)
    return np.concatenate(
        [
            a + (b - a) * np.arange(n)[:, None] / n
            for a, b, n in zip(corners, following, parts)
        ]
    )


def _fill(side: int, outline: np.ndarray, soft: float) -> np.ndarray:
    """Return the opacity in a box, (side, side) uint8."""
    # Two box filters make an edge of about twice their width; the outline
    # shrinks by half an edge, so that none of it is cut off by the box.
    width = 2 * int(soft * side / 4) + 1 if soft else 1
    half = max((side - 2 * (width // 2)) / 2, 0.5)
    # Fixed point of 4 bits; the outermost pixels' centres are the border.
    points = outline * (half - 0.5) + (side - 1) / 2
    alpha = np.zeros((side, side), np.uint8)
    cv2.fillPoly(
        alpha, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_8, 4
    )
    if width > 1:
        for _ in range(2):
            alpha = cv2.blur(
                alpha, (width, width), borderType=cv2.BORDER_CONSTANT
            )
    return read_only(alpha)
