"""Linear readouts of frozen features, with intervals."""

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

#: Share of the images whose clips the readouts are fitted to.
TRAIN_SHARE = 2 / 3

#: Resamples of a bootstrap.
RESAMPLES = 2000


def answers_right(
    features: np.ndarray,
    answers: np.ndarray,
    images: np.ndarray,
    held_out: np.ndarray,
) -> np.ndarray:
    """Fit a readout, and ask it about clips of images it has not seen.

    Each feature is scaled to unit variance; the strength of the ridge
    penalty is chosen by leaving one clip out, among those it is fitted to.

    Args:
        features: (M, D).
        answers: (M,) int, the class of each clip.
        images: (M,) int, the source image of each clip.
        held_out: Images that are not fitted to.

    Returns:
        Whether each held-out clip is named rightly, (M',) bool, in order.
    """
    test = np.isin(images, held_out)
    readout = make_pipeline(
        StandardScaler(), RidgeClassifierCV(np.logspace(-1, 5, 13))
    )
    readout.fit(features[~test], answers[~test])
    return readout.predict(features[test]) == answers[test]


def with_interval(
    right: np.ndarray, images: np.ndarray, seed: int, level: float = 0.95
) -> dict:
    """Average over clips, with an interval over images.

    Args:
        right: (M,) numbers: hits, or differences of hits.
        images: (M,) int, the source image of each; the clips of an image
            are drawn together.
        seed: Of the bootstrap.
        level: Of the interval.

    Returns:
        ``mean``, ``low``, ``high``.
    """
    _, group = np.unique(images, return_inverse=True)
    totals = np.bincount(group, right.astype(float))
    counts = np.bincount(group)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(totals), (RESAMPLES, len(totals)))
    means = totals[drawn].sum(1) / counts[drawn].sum(1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    if (right == right[0]).all() and right[0] in (0, 1):
        # All hits or all misses: no resample differs, but another image
        # might. The exact binomial bound, an image counting as one.
        bound = tail ** (1 / len(totals))
        low, high = (bound, 1) if right[0] else (0, 1 - bound)
    return dict(
        mean=float(totals.sum() / counts.sum()),
        low=float(low),
        high=float(high),
    )
