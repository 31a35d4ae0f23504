"""Groups are divided so that every class is in both halves."""

import itertools
import random

from mosi_mmaction.media.halves import draw_groups


def divides(held_out, classes):
    return all(there & held_out and there - held_out for there in classes)


def test_a_division_is_found_wherever_there_is_one():
    """Judged by trying all of them."""
    found_none = 0
    for trial in range(200):
        random_ = random.Random(trial)
        names = 'abcdefgh'[: random_.choice([3, 4, 6, 8])]
        classes = [
            set(random_.sample(names, random_.choice([2, 2, 3])))
            for _ in range(random_.choice([2, 3, 5, 9]))
        ]
        there = sorted(set().union(*classes))
        possible = [
            set(chosen)
            for size in range(len(there) + 1)
            for chosen in itertools.combinations(there, size)
            if divides(set(chosen), classes)
        ]
        drawn = draw_groups(classes, 0.25, seed=trial)
        if drawn is None:
            assert not possible
            found_none += 1
        else:
            assert drawn in possible
    assert 10 < found_none < 100


def test_the_share_is_kept_where_it_can_be():
    """Thirty persons, and a class that only the last two have."""
    persons = {f'{i}' for i in range(30)}
    for seed in range(20):
        rare = {f'{seed}', f'{seed + 1}'}
        drawn = draw_groups([persons, rare], 0.2, seed)
        assert len(drawn) == 6 and divides(drawn, [rare])
        assert drawn == draw_groups([rare, persons], 0.2, seed)


def test_many_groups_take_no_time():
    """An odd ring among hundreds of pairs has no division."""
    ring = [{f'{i}', f'{(i + 1) % 51}'} for i in range(51)]
    pairs = [{f'a{i}', f'b{i}'} for i in range(200)]
    assert draw_groups([*pairs, *ring], 0.5, 0) is None
    assert divides(draw_groups([*pairs, *ring[1:]], 0.5, 0), pairs)
