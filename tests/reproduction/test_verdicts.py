"""Verdicts: the rule of docs/results.md, case by case."""

import pytest

from mosi_mmaction.reproduction.verdicts import (
    compare,
    judge,
    replicates_needed,
)


@pytest.mark.parametrize(
    'low, high, above, below, none',
    [
        (1, 9, 'yes', 'no', 'open'),
        (5, 9, 'yes', 'no', 'no'),
        (1, 3, 'yes', 'no', 'yes'),
        (-3, 3, 'no', 'no', 'yes'),
        (-4, 4, 'no', 'no', 'yes'),
        (-4.1, 3, 'open', 'open', 'open'),
        (-2, 8, 'open', 'open', 'open'),
        (-9, -5, 'no', 'yes', 'no'),
        (-9, -1, 'no', 'yes', 'open'),
    ],
)
def test_the_rule(low, high, above, below, none):
    difference = dict(low=low, high=high)
    assert judge(difference, '>') == above
    assert judge(difference, '<') == below
    assert judge(difference, '=') == none


def test_an_unknown_prediction():
    with pytest.raises(ValueError, match="'better': must be one of >, <, ="):
        judge(dict(low=0, high=1), 'better')


def test_differences_are_paired():
    found = compare([31, 52, 73], [30, 50, 70])
    assert found == dict(mean=2, low=1, high=3, n=3)
    with pytest.raises(ValueError, match='3 and 2 replicates'):
        compare([1, 2, 3], [1, 2])


def test_replicates_that_would_decide():
    # Half as wide with four times as many.
    assert replicates_needed(dict(low=-8, high=8, n=7)) == 28
    assert replicates_needed(dict(low=0, high=8, n=7)) == 7
