"""Verdicts: the rule of docs/results.md, case by case."""

import numpy as np
import pytest
from scipy import stats

from mosi_mmaction.reproduction.tables import bootstrap_interval
from mosi_mmaction.reproduction.verdicts import (
    compare,
    compare_samples,
    judge,
    pooled_deviation,
    replicates_needed,
    student_interval,
)


@pytest.mark.parametrize(
    'low, high, above, below, none, not_below',
    [
        (1, 9, 'yes', 'no', 'open', 'yes'),
        (5, 9, 'yes', 'no', 'no', 'yes'),
        (1, 3, 'yes', 'no', 'yes', 'yes'),
        (-3, 3, 'no', 'no', 'yes', 'yes'),
        (-4, 4, 'no', 'no', 'yes', 'yes'),
        (-4.1, 3, 'open', 'open', 'open', 'open'),
        (-2, 8, 'open', 'open', 'open', 'yes'),
        (-9, -5, 'no', 'yes', 'no', 'no'),
        (-9, -1, 'no', 'yes', 'open', 'open'),
    ],
)
def test_the_rule(low, high, above, below, none, not_below):
    difference = dict(low=low, high=high)
    assert judge(difference, '>') == above
    assert judge(difference, '<') == below
    assert judge(difference, '=') == none
    assert judge(difference, '>=') == not_below


def test_an_unknown_prediction():
    with pytest.raises(ValueError, match="'better': must be one of >, <, ="):
        judge(dict(low=0, high=1), 'better')


def test_differences_are_paired():
    found = compare([31, 52, 73], [30, 50, 70])
    # t = 4.303 with two degrees of freedom, and a standard error of 1 / √3.
    low, high = found.pop('student')
    assert (low, high) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)
    assert found == dict(mean=2, low=1, high=3, n=3)
    with pytest.raises(ValueError, match='3 and 2 replicates'):
        compare([1, 2, 3], [1, 2])


@pytest.mark.parametrize('count, share', [(3, 0.75), (7, 0.87)])
def test_how_often_the_intervals_are_right(count, share):
    # The shares that docs/results.md names.
    rng = np.random.default_rng(count)
    right = np.zeros(2)
    for gains in rng.normal(size=(1000, count)).tolist():
        for i, interval in enumerate((bootstrap_interval, student_interval)):
            low, high = interval(gains)
            right[i] += low <= 0 <= high
    assert right[0] / 1000 == pytest.approx(share, abs=0.03)
    assert right[1] / 1000 == pytest.approx(0.95, abs=0.02)


def test_replicates_that_would_decide():
    # Half as wide with four times as many.
    assert replicates_needed(dict(low=-8, high=8, n=7)) == 28
    assert replicates_needed(dict(low=0, high=8, n=7)) == 7


def test_samples_are_compared_as_scipy_does():
    rng = np.random.default_rng(0)
    ours, theirs, third = (
        rng.normal(mean, 2, size).tolist()
        for mean, size in ((40, 3), (37, 4), (30, 3))
    )
    two = pooled_deviation([ours, theirs])
    found = compare_samples(ours, theirs, two)
    judge_of_two = stats.ttest_ind(ours, theirs).confidence_interval(0.95)
    assert (found['low'], found['high']) == pytest.approx(judge_of_two)
    assert found['mean'] == pytest.approx(np.mean(ours) - np.mean(theirs))
    # Of three samples, it is the square root of the within-mean-square.
    samples = [ours, theirs, third]
    pooled = pooled_deviation(samples)
    centers = np.repeat([np.mean(s) for s in samples], [3, 4, 3])
    between = np.square(centers - np.mean(sum(samples, []))).sum() / 2
    within = between / stats.f_oneway(*samples).statistic
    assert pooled == dict(sd=pytest.approx(np.sqrt(within)), df=7)
    with pytest.raises(ValueError, match='two values'):
        pooled_deviation([[1.0], [2.0]])
