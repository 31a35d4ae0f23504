"""Motion capture in BVH files: joints over time.

Coordinates are those of the file: right-handed, y up, in its unit of length. A
position channel of a joint replaces that part of its OFFSET; rotation channels
apply in the order in which they are written.
"""

import os
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Motion:
    """Joints over time.

    Attributes:
        joints: Names of the J joints, parents before children.
        parents: Index of each joint's parent; -1 for the root.
        positions: World positions, (N, J, 3) float64, y up.
        fps: Number of frames a second.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    positions: np.ndarray
    fps: float

    def at(self, joint: str) -> np.ndarray:
        """Return the path of a joint, (N, 3).

        Raises:
            ValueError: If there is no such joint; lists those there are.
        """
        if joint not in self.joints:
            raise ValueError(
                f'no joint {joint!r}; there are {", ".join(self.joints)}'
            )
        return self.positions[:, self.joints.index(joint)]


def read_bvh(path: str | os.PathLike) -> Motion:
    """Read a BVH file.

    Args:
        path: Path of the file.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a BVH file or is truncated; gives file and
            line.
    """
    joints: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    stack: list[int | None] = []
    opened: int | None = None
    number = 0
    try:
        with open(path, encoding='utf-8-sig') as file:
            lines = file.read().splitlines()
        for number, line in enumerate(lines, 1):  # noqa: B007
            words = line.split()
            if not words or words[0] == 'HIERARCHY':
                continue
            if words[0] in ('ROOT', 'JOINT'):
                opened = len(joints)
                joints.append(words[1])
                above = stack[-1] if stack else -1
                parents.append(-1 if above is None else above)
                offsets.append([0.0] * 3)
                channels.append([])
            elif words[0] == 'End':
                opened = None
            elif words[0] == '{':
                stack.append(opened)
            elif words[0] == '}':
                stack.pop()
            elif words[0] == 'OFFSET':
                if len(words) < 4:
                    raise ValueError(f'offset {words[1:]}')
                if stack[-1] is not None:
                    offsets[stack[-1]] = [float(w) for w in words[1:4]]
            elif words[0] == 'CHANNELS':
                joint, names = stack[-1], words[2:]
                if joint is None:
                    raise ValueError('an End Site has no CHANNELS')
                if len(names) != int(words[1]) or any(
                    n[0] not in 'XYZ' or n[1:] not in ('position', 'rotation')
                    for n in names
                ):
                    raise ValueError(f'channels {names}')
                channels[joint] = names
            elif words[0] == 'MOTION':
                break
            else:
                raise ValueError(f'{words[0]!r} is unknown')
        else:
            raise ValueError('MOTION is missing')
        if not joints or stack:
            raise ValueError('the hierarchy is not closed before MOTION')
        count = int(lines[number].split()[1])
        frame_time = float(lines[number + 1].split()[-1])
        rows = [r.split() for r in lines[number + 2 :] if r.strip()]
        values = np.array(rows[:count], float)
        width = sum(map(len, channels))
        if values.shape != (count, width) or count < 1 or frame_time <= 0:
            raise ValueError(
                f'{values.shape} numbers in steps of {frame_time} s, where '
                f'{count} frames of {width} channels were announced'
            )
        if not (np.isfinite(frame_time) and np.isfinite(values).all()):
            raise ValueError('a number of its motion is not finite')
    except (ValueError, IndexError, TypeError) as error:
        raise ValueError(
            f'{path}, about line {number}: not a complete BVH file: {error}'
        ) from error
    positions = _forward(parents, offsets, channels, values)
    return Motion(tuple(joints), tuple(parents), positions, 1 / frame_time)


def _forward(
    parents: list[int],
    offsets: list[list[float]],
    channels: list[list[str]],
    values: np.ndarray,
) -> np.ndarray:
    """Return joint positions in the world, (N, J, 3)."""
    column = 0
    places: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    for parent, offset, names in zip(parents, offsets, channels):
        place = np.tile(np.array(offset), (len(values), 1))
        turn = np.tile(np.eye(3), (len(values), 1, 1))
        for name in names:
            value = values[:, column]
            column += 1
            if name.endswith('position'):
                place[:, 'XYZ'.index(name[0])] = value
            else:
                turn = turn @ _rotation('XYZ'.index(name[0]), value)
        if parent >= 0:
            place = places[parent] + (turns[parent] @ place[..., None])[..., 0]
            turn = turns[parent] @ turn
        places.append(place)
        turns.append(turn)
    return np.stack(places, axis=1)


def _rotation(axis: int, degrees: np.ndarray) -> np.ndarray:
    """Return right-handed rotations about an axis, (N, 3, 3)."""
    angle = np.radians(degrees)
    second, third = (axis + 1) % 3, (axis + 2) % 3
    out = np.zeros((len(angle), 3, 3))
    out[:, axis, axis] = 1
    out[:, second, second] = out[:, third, third] = np.cos(angle)
    out[:, third, second] = np.sin(angle)
    out[:, second, third] = -np.sin(angle)
    return out
