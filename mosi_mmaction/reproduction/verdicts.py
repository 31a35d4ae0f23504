"""Verdicts of measured differences on predictions."""

import math
import statistics
from collections.abc import Collection, Sequence

from scipy import stats

from .tables import bootstrap_interval

#: Differences of at most this many points count as none.
MARGIN = 4.0
#: Possible predictions: the sign of a difference, or no difference.
PREDICTIONS = {
    '>': 'above 0',
    '<': 'below 0',
    '=': 'no difference',
    '>=': 'no difference, or above 0',
}


def compare(ours: list[float], theirs: list[float]) -> dict:
    """Return the paired difference of two rows.

    Args:
        ours: Accuracies in %, one per replicate.
        theirs: Accuracies of the baseline, for the same replicates.

    Returns:
        ``mean``, ``low`` and ``high`` of the 95 % bootstrap interval,
        ``student``, the ends of Student's, and ``n``, the number of
        replicates.

    Raises:
        ValueError: If the rows have different numbers of replicates.
    """
    if len(ours) != len(theirs):
        raise ValueError(
            f'{len(ours)} and {len(theirs)} replicates cannot be paired'
        )
    gains = [one - other for one, other in zip(ours, theirs)]
    low, high = bootstrap_interval(gains)
    return dict(
        mean=statistics.mean(gains),
        low=low,
        high=high,
        student=student_interval(gains),
        n=len(gains),
    )


def student_interval(gains: list[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean of normal differences.

    With few replicates it is wider than the bootstrap's, which then contains
    the true mean too rarely.
    """
    center, count = statistics.mean(gains), len(gains)
    if count < 2:
        return center, center
    error = statistics.stdev(gains) / math.sqrt(count)
    half = float(stats.t.ppf(0.975, count - 1)) * error
    return center - half, center + half


def pooled_deviation(samples: Collection[Sequence[float]]) -> dict:
    """Return the standard deviation that several samples share.

    Args:
        samples: Values of each sample, which may differ in their means.

    Returns:
        ``sd`` and ``df``, its degrees of freedom.

    Raises:
        ValueError: If no sample has two values.
    """
    df = sum(len(sample) - 1 for sample in samples)
    if not df:
        raise ValueError('a standard deviation needs two values of a sample')
    squares = sum(
        statistics.variance(sample) * (len(sample) - 1)
        for sample in samples
        if len(sample) > 1
    )
    return dict(sd=math.sqrt(squares / df), df=df)


def compare_samples(
    ours: Sequence[float], theirs: Sequence[float], pooled: dict
) -> dict:
    """Return the difference of the means of two samples.

    Args:
        ours: Values of a sample, such as one accuracy per pretraining.
        theirs: Values of the baseline.
        pooled: Result of :func:`pooled_deviation`, of these and perhaps more
            samples.

    Returns:
        ``mean``, and ``low`` and ``high``, the ends of Student's 95 %
        interval for samples with that standard deviation.
    """
    error = pooled['sd'] * math.sqrt(1 / len(ours) + 1 / len(theirs))
    half = float(stats.t.ppf(0.975, pooled['df'])) * error
    mean = statistics.mean(ours) - statistics.mean(theirs)
    return dict(mean=mean, low=mean - half, high=mean + half)


def judge(difference: dict, predicted: str) -> str:
    """Return the verdict on a prediction.

    Args:
        difference: Result of :func:`compare`.
        predicted: Prediction, a key of :data:`PREDICTIONS`.

    Returns:
        ``'yes'``: the interval excludes 0 on the predicted side, or lies
        within :data:`MARGIN` of 0 if no difference was predicted; what is
        above it counts, too, if that was predicted. ``'no'``:
        it excludes 0 on the other side, or lies within the margin although a
        difference was predicted, or outside it although none was. ``'open'``:
        everything else.

    Raises:
        ValueError: If there is no such prediction.
    """
    if predicted not in PREDICTIONS:
        raise ValueError(
            f'prediction {predicted!r}: must be one of '
            f'{", ".join(PREDICTIONS)}'
        )
    low, high = difference['low'], difference['high']
    if predicted == '<':
        low, high = -high, -low
    small = -MARGIN <= low and high <= MARGIN
    if predicted == '=':
        apart = low > MARGIN or high < -MARGIN
        return 'yes' if small else 'no' if apart else 'open'
    if predicted == '>=':
        apart = high < -MARGIN
        return 'yes' if low >= -MARGIN else 'no' if apart else 'open'
    if low > 0:
        return 'yes'
    return 'no' if high < 0 or small else 'open'


def replicates_needed(difference: dict) -> int:
    """Return the number of replicates that narrow the interval to the margin.

    The width is assumed to fall with the square root of that number.
    """
    half = (difference['high'] - difference['low']) / 2
    return math.ceil(difference['n'] * (half / MARGIN) ** 2)
