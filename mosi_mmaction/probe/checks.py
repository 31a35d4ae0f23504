"""Signs that a network was not loaded as it was trained."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from .features import NormRecord

#: How far a batch norm may be from what it remembers: medians over its
#: channels of |log(variance / remembered)| and of |mean - remembered| in
#: remembered standard deviations. On clips of the network's own training
#: config, networks in order stay below 0.7, after a single epoch too; on
#: other clips, such as those of the probe for a network of action videos,
#: below 1.6. docs/probe.md has the table.
LIMIT_OWN, LIMIT_OTHER = 1.0, 2.0

#: By how much the head may name labels better under other names, as a share
#: of the clips.
LIMIT_NAMES = 0.3


@dataclass
class Finding:
    """One sign of a broken load.

    Attributes:
        kind: ``'untrained'``, ``'norms'`` or ``'names'``.
        text: What was seen, and what it may come from.
    """

    kind: str
    text: str


def check_norms(norms: list[NormRecord], own: bool) -> list[Finding]:
    """Compare what reaches each batch norm with what it remembers.

    Args:
        norms: After clips have passed.
        own: Whether the clips were those of the network's own training.
    """
    untouched = [r.name for r in norms if _untouched(r.module)]
    if untouched:
        return [
            Finding(
                'norms',
                f'{len(untouched)} of {len(norms)} batch norms have the '
                'statistics of a new network (mean 0, variance 1), such as '
                f'{untouched[0]}: they were not loaded, or never trained',
            )
        ]
    limit = LIMIT_OWN if own else LIMIT_OTHER
    worst = max(norms, key=mismatch, default=None)
    if worst is None or mismatch(worst) <= limit:
        return []
    count = sum(mismatch(r) > limit for r in norms)
    whose = 'of its own training config' if own else 'of the probe'
    return [
        Finding(
            'norms',
            f'{count} of {len(norms)} batch norms get other values than '
            f'they remember, most of all {worst.name} (off by '
            f'{mismatch(worst):.1f}, allowed {limit:.1f}, clips {whose}): '
            'some weights were not loaded or got mixed up, or the clips are '
            'not normalised as in training',
        )
    ]


def mismatch(record: NormRecord) -> float:
    """Return how far a batch norm is from what it remembers."""
    mean, var = record.moments()
    module = record.module
    remembered = module.running_var.double().cpu() + 1e-9
    mean, var = mean.cpu(), var.cpu() + 1e-9
    shift = (mean - module.running_mean.double().cpu()).abs()
    return max(
        float((var / remembered).log().abs().median()),
        float((shift / (remembered + module.eps).sqrt()).median()),
    )


def _untouched(module: torch.nn.Module) -> bool:
    return bool(
        (module.running_mean == 0).all() and (module.running_var == 1).all()
    )


def check_names(
    scores: np.ndarray, labels: np.ndarray, names: tuple[str, ...]
) -> tuple[float, list[Finding]]:
    """Ask the network's own head for the labels it was trained on.

    Args:
        scores: (M, C).
        labels: (M,) int.
        names: Of the labels.

    Returns:
        The share that it names rightly, and findings.
    """
    table = np.zeros((len(names), len(names)), int)
    np.add.at(table, (labels, scores.argmax(1)), 1)
    right = float(np.trace(table) / len(labels))
    row, column = linear_sum_assignment(-table)
    best = float(table[row, column].sum() / len(labels))
    if best - right <= LIMIT_NAMES:
        return right, []
    wrong = [(r, c) for r, c in zip(row, column) if r != c]
    at = max(wrong, key=lambda pair: table[pair])
    return right, [
        Finding(
            'names',
            f'its head tells {best:.0%} of the labels apart, but calls them '
            f'by other names ({names[at[0]]} is called {names[at[1]]}; '
            f'{right:.0%} are right): frames reversed, mirrored or turned, '
            'or labels in another order',
        )
    ]


def check_untrained(differences: dict[str, dict]) -> list[Finding]:
    """Compare a card with that of the same network untrained.

    Args:
        differences: By question, ``mean``, ``low`` and ``high`` of what the
            network names rightly more than the untrained one.
    """
    if any(d['low'] > 0 for d in differences.values()):
        return []
    return [
        Finding(
            'untrained',
            'it has the card of an untrained network: no question is '
            'answered better than with random weights. Its weights were not '
            'loaded, or it never learned what moves',
        )
    ]
