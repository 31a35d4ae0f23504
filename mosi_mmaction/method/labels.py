"""The label pool: the motions that a network learns to distinguish (Eq. 1).

In the paper's pool the window shifts. Beyond the paper, a pool may contain
further kinds of motion, each a *component* with its own speeds. A motion is a
row of integers, one for each of :data:`COMPONENTS`; a label is such a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

#: Components of a window's motion. Positive is right, down, in (the window
#: becomes smaller, the picture larger) and clockwise. A swing is counted in
#: whole cycles per clip, along x or y, and has no sign.
COMPONENTS = ('x', 'y', 'zoom', 'turn', 'swing_x', 'swing_y')

#: Kinds of motion, in the order of their labels.
MOTIONS = ('shift', 'zoom', 'turn', 'swing')

#: Components that are reversed in a mirror image.
_MIRRORED = np.array([c in ('x', 'turn') for c in COMPONENTS])

#: Words for negative and positive speeds of a component.
_WORDS = {
    'x': ('left', 'right'),
    'y': ('up', 'down'),
    'zoom': ('zoom-out', 'zoom-in'),
    'turn': ('turn-left', 'turn-right'),
    'swing_x': ('', 'swing-x'),
    'swing_y': ('', 'swing-y'),
}
_WORDS_UNSIGNED = {**_WORDS, 'x': ('', 'sideways'), 'turn': ('', 'turn')}


@dataclass(frozen=True)
class LabelPool:
    """The set of motions that a network learns to distinguish (paper Eq. 1).

    Speeds are S = {-K, ..., -1, 0, 1, ..., K}. A label is the direction of
    the window; the picture in it moves the other way. The order of the labels
    is that of the authors' release: x speeds ascending, y speeds ascending,
    static last; zoom, turn and swing come before static, ascending.

    Args:
        num_speeds: |S| = 2K + 1, odd and at least 3.
        axes: Axes of shifts and swings, ``'x'``, ``'y'`` or ``'xy'``.
        decoupled: Whether at most one axis shifts in a label, as in the
            paper. ``False`` gives all |S|² pairs and needs both axes.
        static: Whether standing still is one of the labels.
        motions: Kinds of motion, in any order: ``'shift'``, the paper's;
            ``'zoom'`` (in and out at K speeds each); ``'turn'`` (left and
            right at K speeds each); ``'swing'`` (about a pivot, 1 to K cycles
            per clip, along each axis).
        signed: Whether a motion and its mirror image have different labels.
            ``False`` gives left and right the same label, and likewise both
            directions of turning: fine-tuning flips its clips and need not
            distinguish them.

    Raises:
        ValueError: If a value is not one of those above.

    Examples:
        >>> LabelPool(num_speeds=3).speeds.tolist()
        [[-1, 0], [1, 0], [0, -1], [0, 1], [0, 0]]
    """

    num_speeds: int = 5
    axes: str = 'xy'
    decoupled: bool = True
    static: bool = True
    motions: Sequence[str] = ('shift',)
    signed: bool = True

    def __post_init__(self) -> None:
        if (
            isinstance(self.num_speeds, bool)
            or not isinstance(self.num_speeds, (int, np.integer))
            or self.num_speeds < 3
            or self.num_speeds % 2 == 0
        ):
            raise ValueError(
                f'num_speeds={self.num_speeds!r}: the speeds of an axis are '
                '-K..K, so their number is odd and at least 3; use 3, 5, 7, '
                '...'
            )
        if self.axes not in ('x', 'y', 'xy'):
            raise ValueError(
                f"axes={self.axes!r}: allowed are 'x', 'y' and 'xy'"
            )
        motions = (
            (self.motions,)
            if isinstance(self.motions, str)
            else tuple(self.motions)
        )
        if not motions or set(motions) - set(MOTIONS):
            raise ValueError(
                f'motions={self.motions!r}: use one or more of {MOTIONS}'
            )
        # Configs pass lists; equal pools should compare equal.
        motions = tuple(m for m in MOTIONS if m in motions)
        object.__setattr__(self, 'motions', motions)
        if not self.decoupled and self.axes != 'xy':
            raise ValueError(
                f'decoupled=False with axes={self.axes!r}: pairs of speeds '
                "need both axes; use axes='xy' or decoupled=True"
            )
        if not self.decoupled and 'shift' not in motions:
            raise ValueError(
                f'decoupled=False with motions={motions!r}: only shifts come '
                "in pairs; add 'shift' or use decoupled=True"
            )

    @property
    def max_speed(self) -> int:
        """K, the number of speeds in one direction."""
        return self.num_speeds // 2

    @property
    def is_plain(self) -> bool:
        """Whether this is a pool of the paper: only signed shifts."""
        return self.motions == ('shift',) and self.signed

    @cached_property
    def components(self) -> tuple[str, ...]:
        """Names of the A components that move in some label."""
        found: list[str] = []
        if 'shift' in self.motions:
            found += self.axes
        found += [m for m in ('zoom', 'turn') if m in self.motions]
        if 'swing' in self.motions:
            found += [f'swing_{a}' for a in self.axes]
        return tuple(found)

    @cached_property
    def table(self) -> np.ndarray:
        """The motion of every label, (C, 6) int64, read-only.

        Columns are those of :data:`COMPONENTS`. If labels have no sign, the
        motion is the one to the right or clockwise.
        """
        k = self.max_speed
        both = [v for v in range(-k, k + 1) if v]
        rows: list[dict[str, int]] = []
        for name in self.components:
            if name in 'xy' and not self.decoupled:
                continue
            has_sign = 'swing' not in name and (
                self.signed or name not in ('x', 'turn')
            )
            speeds = both if has_sign else range(1, k + 1)
            rows += [{name: v} for v in speeds]
        if not self.decoupled:
            axis = range(-k, k + 1)
            pairs = [
                dict(x=x, y=y)
                for x, y in product(axis if self.signed else axis[k:], axis)
                if (x, y) != (0, 0)
            ]
            rows = pairs + rows
        if self.static:
            rows.append({})
        return read_only(
            np.array(
                [[row.get(c, 0) for c in COMPONENTS] for row in rows],
                dtype=np.int64,
            )
        )

    @cached_property
    def speeds(self) -> np.ndarray:
        """The (x, y) speed of every label, (C, 2) int64, read-only."""
        return read_only(self.table[:, :2].copy())

    @cached_property
    def axis_labels(self) -> np.ndarray:
        """One label per component instead of a joint one, for separate heads.

        (C, A) int64; speed v of a component has the label v + K, or v if the
        component has no sign, see :attr:`axis_classes`.
        """
        columns = [COMPONENTS.index(c) for c in self.components]
        zero = [
            n // 2 if n == self.num_speeds else 0 for n in self.axis_classes
        ]
        return read_only(self.table[:, columns] + np.array(zero))

    @cached_property
    def axis_classes(self) -> tuple[int, ...]:
        """Number of labels of each component: |S|, or K + 1 unsigned."""
        return tuple(
            self.max_speed + 1
            if 'swing' in c or (not self.signed and c in ('x', 'turn'))
            else self.num_speeds
            for c in self.components
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A short name of every label, such as ``'left-2'``."""
        words = _WORDS if self.signed else _WORDS_UNSIGNED

        def name(row: list[int]) -> str:
            parts = [
                f'{words[c][v > 0]}-{abs(v)}'
                for c, v in zip(COMPONENTS, row)
                if v
            ]
            return '+'.join(parts) or 'static'

        return tuple(name(row) for row in self.table.tolist())

    def label_of(self, motion: np.ndarray) -> np.ndarray:
        """Return the label of each drawn motion.

        Args:
            motion: Signed motions, (M, 6) int, see :data:`COMPONENTS`.

        Returns:
            (M,) int64.

        Raises:
            ValueError: If a motion is not in the pool.
        """
        motion = np.asarray(motion)
        if not self.signed:
            motion = np.where(_MIRRORED, abs(motion), motion)
        same = (motion[:, None] == self.table).all(-1)  # (M, C)
        if not same.any(1).all():
            alien = motion[~same.any(1)][0].tolist()
            raise ValueError(
                f'motion {alien} of {COMPONENTS} is not in {self}'
            )
        return same.argmax(1)

    def __len__(self) -> int:
        """Number of labels: 4K + 1 by default."""
        return len(self.table)

    def __deepcopy__(self, memo: dict) -> 'LabelPool':
        return self  # immutable


def mirrored(motion: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Return motions, (M, 6), mirrored where ``sign``, (M,), is -1."""
    return np.where(_MIRRORED, motion * sign[:, None], motion)


def read_only(array: np.ndarray) -> np.ndarray:
    """Make an array read-only and return it."""
    array.flags.writeable = False
    return array
