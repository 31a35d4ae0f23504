"""Classes that a mirror swaps: a flipped left hand is a right hand."""

import re
from collections.abc import Sequence

_SIDES = {'left': 'right', 'right': 'left'}


def mirrored(name: str) -> str:
    """Return the name with left and right swapped, in the same case."""

    def swap(match: re.Match) -> str:
        side = _SIDES[match[0].lower()]
        if match[0].isupper():
            return side.upper()
        return side.capitalize() if match[0][0].isupper() else side

    # Not in 'bright', 'cleft' or 'leftover'; but in 'turnLeft', 'turn_left'.
    pattern = (
        r'(?<![^\W_])(?:left|right)(?![^\W_\d])'
        r'|(?<![A-Z])(?:Left|Right)(?![a-z])'
        r'|(?<![^\W_])(?:LEFT|RIGHT)(?![^\W_\d])'
    )
    return re.sub(pattern, swap, name)


def sided(names: Sequence[str]) -> list[str]:
    """Return the names that speak of left or right."""
    return [name for name in names if mirrored(name) != name]


def mirror_map(names: Sequence[str]) -> dict[int, int]:
    """Return the label that each sided class has in a mirror.

    Raises:
        ValueError: If a class has no counterpart.
    """
    labels = {name: label for label, name in enumerate(names)}
    swapped = {}
    for name in sided(names):
        if mirrored(name) not in labels:
            raise ValueError(
                f"flip='swap': there is no class {mirrored(name)!r} for the "
                f'mirror image of {name!r}; flip=False leaves flipping out'
            )
        swapped[labels[name]] = labels[mirrored(name)]
    return swapped


def advice(names: Sequence[str]) -> str:
    """Return what to do about a list of classes; '' if nothing."""
    found = sided(names)
    if not found:
        return ''
    shown = ', '.join(map(repr, found[:4])) + (', ...' if found[4:] else '')
    return (
        f'the classes {shown} change in a mirror, and training flips half of '
        'the clips. set_videos(..., flip=False) leaves that out; '
        "flip='swap' swaps the labels of flipped clips; flip=True keeps it"
    )
