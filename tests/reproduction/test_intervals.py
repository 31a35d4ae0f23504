"""Intervals by hand, and differences that are paired."""

import numpy as np
import pytest

# --- Figures.


def test_interval_by_hand():
    from mosi_mmaction.reproduction.tables import bootstrap_interval

    # The mean of 9 draws out of eight 0 and one 9 is Binomial(9, 1/9):
    # P(<= 0) = 0.346 and P(<= 2) = 0.931 < 0.975 < 0.988 = P(<= 3).
    assert bootstrap_interval([0.0] * 8 + [9.0]) == (0, 3)
    # Of two, a mean is one of them with probability 1/4 each.
    assert bootstrap_interval([1.0, 4.0]) == (1, 4)
    # Of three, with 1/27 = 3.7 % > 2.5 %: the range and nothing smaller.
    assert bootstrap_interval([5.0, -1.0, 2.0]) == (-1, 5)
    assert bootstrap_interval([7.0]) == (7, 7)
    with pytest.raises(ValueError, match='at least one'):
        bootstrap_interval([])


def test_interval_covers_the_mean_as_often_as_it_says(rng):
    from mosi_mmaction.reproduction.tables import bootstrap_interval

    hits = 0
    for _ in range(300):
        low, high = bootstrap_interval(
            list(rng.normal(3, 2, 30)), resamples=400
        )
        hits += low <= 3 <= high
    assert 0.88 < hits / 300 < 0.99


def test_differences_are_paired(tiny):
    from mosi_mmaction.reproduction.presets import Row
    from mosi_mmaction.reproduction.tables import format_table, summarize

    base = Row('from scratch', ['b0', 'b1', 'b2'], paper=30.4)
    ours = Row('MoSI', ['m0', 'm1', 'm2'], 'p', base, 47.0, 96.1)
    top1 = dict(b0=0.1, b1=0.9, b2=0.5, m0=0.15, m1=0.95, m2=0.55)
    results = {
        k: dict(final={'acc/top1': v}, seconds=3600) for k, v in top1.items()
    }
    results['p'] = dict(final={'pretext/top1': 0.99}, seconds=7200)
    rows = [summarize(row, results) for row in (base, ours)]
    # Unpaired, the interval would be as wide as the seeds are apart.
    gain = rows[1]['difference']
    assert np.allclose([gain['low'], gain['mean'], gain['high']], 5)
    table = format_table(rows, 'core').splitlines()
    assert table[2] == (
        '| from scratch | 30.4 | 50.0 ± 40.0 | 3 | – | baseline | 3.00 |'
    )
    assert table[3] == (
        '| MoSI | 47.0 | 55.0 ± 40.0 | 3 | 99.0 (96.1) | '
        '+5.0 [+5.0, +5.0] | 5.00 |'
    )
