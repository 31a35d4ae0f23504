"""Draw which videos, or groups of videos, are held out for testing."""

import hashlib
from collections.abc import Sequence


def draw(names: set[str], fraction: float, seed: int) -> set[str]:
    """Draw a share of the names, at least one but not all, by their hashes."""
    count = max(1, min(round(fraction * len(names)), len(names) - 1))
    return set(_by_hash(names, seed)[:count])


def draw_groups(
    classes: Sequence[set[str]], fraction: float, seed: int
) -> set[str] | None:
    """Draw groups so that every class has some on both sides.

    The first draw is by hashes alone. Where it leaves a class on one side,
    groups change sides; then others change back until the share is right, as
    far as that is possible.

    Args:
        classes: Groups of every class.
        fraction: Share of the groups to draw.
        seed: Seed of the hashes.

    Returns:
        The drawn groups; None if no choice has some of every class on both
        sides.
    """
    order = _by_hash(set().union(*classes), seed)
    drawn = draw(set(order), fraction, seed)
    count = len(drawn)
    for part in _connected(classes):
        sides = _divide(part, drawn, {}, order)
        if sides is None:
            return None
        drawn -= sides.keys()
        drawn |= {group for group, held_out in sides.items() if held_out}
    for group in reversed(order):
        other = drawn ^ {group}
        if abs(len(other) - count) < abs(len(drawn) - count) and not any(
            _one_sided(there, other) for there in classes
        ):
            drawn = other
    return drawn


def _by_hash(names: set[str], seed: int) -> list[str]:
    """Return the names in the order of their hashes."""

    def place(name):
        text = f'{seed}\0{name}'.encode('utf-8', 'surrogateescape')
        return hashlib.sha256(text).digest()

    return sorted(names, key=place)


def _connected(classes: Sequence[set[str]]) -> list[list[set[str]]]:
    """Return the classes in parts that have no group in common."""
    parts: list[list[set[str]]] = []
    for there in classes:
        joined = [p for p in parts if any(not there.isdisjoint(c) for c in p)]
        parts = [p for p in parts if p not in joined]
        parts.append([there, *(c for p in joined for c in p)])
    return parts


def _one_sided(there: set[str], drawn: set[str]) -> bool:
    return there <= drawn or there.isdisjoint(drawn)


def _divide(
    classes: list[set[str]],
    drawn: set[str],
    sides: dict[str, bool],
    order: list[str],
) -> dict[str, bool] | None:
    """Search for sides of groups that divide every class.

    Exhaustive: a group of a class that is not divided changes sides, and if
    nothing comes of that, it keeps its side. Whatever follows from the sides
    that are settled is settled, too.

    Args:
        classes: Groups of every class.
        drawn: Groups that are held out while nothing else is settled.
        sides: Settled groups: whether they are held out.
        order: All groups, in the order in which they change sides.

    Returns:
        The settled groups; None if there is no solution.
    """
    sides = dict(sides)
    settling = True
    while settling:
        settling = False
        for there in classes:
            known = {sides[group] for group in there if group in sides}
            free = [group for group in there if group not in sides]
            if len(known) == 1 and len(free) == 1:
                sides[free[0]] = not known.pop()
                settling = True
            elif len(known) < 2 and not free:
                return None
    now = {g for g in order if sides.get(g, g in drawn)}
    wrong = [c - sides.keys() for c in classes if _one_sided(c, now)]
    if not wrong:
        return sides
    fewest = min(wrong, key=len)
    group = next(g for g in order if g in fewest)
    for side in (group not in drawn, group in drawn):
        found = _divide(classes, drawn, {**sides, group: side}, order)
        if found is not None:
            return found
    return None
