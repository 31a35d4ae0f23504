"""Plots of the logs of runs, and confusion matrices."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .logs import Curves


def panels_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Group curves by the panel they are drawn in."""
    short = {name: name.split('/')[-1] for name in names}
    panels = {
        'loss': ['loss'],
        # The last is on top: with equally many samples per class, mean1 equals
        # top1.
        'accuracy': ['top5', 'mean1', 'top1_acc', 'top1'],
        'pretext accuracy by direction': [
            'left',
            'right',
            'up',
            'down',
            'static',
        ],
        'pretext accuracy by speed': sorted(
            {s for s in short.values() if s.startswith('speed')}
        ),
    }
    sorted_in = {
        title: [n for wanted in keys for n in names if short[n] == wanted]
        for title, keys in panels.items()
    }
    return {title: keys for title, keys in sorted_in.items() if keys}


def draw_curves(runs: dict[str, Curves]) -> Figure:
    """Draw the curves of a run, a panel for each kind.

    Of several runs only the validation top-1, one colour a run.

    Raises:
        ValueError: If the runs have neither losses nor accuracies.
    """
    names = list(
        dict.fromkeys(name for curves in runs.values() for name in curves)
    )
    panels = panels_of(names)
    if len(runs) > 1:
        # To compare: what was held out, one colour a run.
        held_out = [name for name in names if name.endswith('/top1')]
        if held_out:
            panels = {'validation top-1': held_out}
    if not panels:
        raise ValueError(f'no loss and no accuracy in {list(runs)}')
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(5 * len(panels), 4),
        squeeze=False,
        layout='constrained',
    )
    styles = ('-', '--', ':', '-.')
    for ax, (title, names) in zip(axes[0], panels.items()):
        for i, (run, curves) in enumerate(runs.items()):
            for k, name in enumerate(names):
                if name not in curves:
                    continue
                kind = {'top1_acc': 'training, top1'}.get(
                    name, name.split('/')[-1]
                )
                label, style, color = kind, '-', f'C{k}'
                if len(runs) > 1:
                    label, style, color = run, styles[k % 4], f'C{i % 10}'
                    if len(names) > 1:
                        label = f'{run}: {name}'
                ax.plot(
                    *curves[name],
                    style,
                    color=color,
                    label=label,
                    marker='.' if '/' in name else None,
                )
        ax.set(title=title, xlabel='epoch')
        ax.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
        if title != 'loss':
            ax.set_ylim(0, 1.02)
        ax.grid(alpha=0.3)
        # Below, because the curves fill the panel.
        ax.legend(
            fontsize=9,
            loc='upper center',
            ncols=2,
            bbox_to_anchor=(0.5, -0.14),
        )
    return figure


def draw_confusion(counts: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw a confusion matrix, in percent of each true label."""
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2.5 + 0.6 * len(names)
    figure, ax = plt.subplots(figsize=(side, side), layout='constrained')
    ax.imshow(share, cmap='Blues', vmin=0, vmax=100)
    ax.set_xticks(range(len(names)), names, rotation=45, ha='right')
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel='predicted', ylabel='label', title='percent of each label')
    for (y, x), value in np.ndenumerate(share):
        if counts[y, x]:
            ax.text(
                x,
                y,
                f'{value:.0f}',
                ha='center',
                va='center',
                color='white' if value > 60 else 'black',
                fontsize=max(6, 12 - len(names) // 8),
            )
    return figure


def draw_versus(name: str, rows: list, x: str) -> Figure:
    """Draw accuracies against a setting, one point per value."""
    figure, ax = plt.subplots(
        figsize=(2 + 0.9 * len(rows), 4), layout='constrained'
    )
    ax.errorbar(
        range(len(rows)),
        [v.mean() for _, v in rows],
        [v.std() for _, v in rows],
        marker='o',
        capsize=4,
    )
    ax.set_xticks(range(len(rows)), [s for s, _ in rows])
    titles = dict(
        mask_size="side of the mask's box / side of the crop",
        frozen_stages='frozen stages',
    )
    ax.set(xlabel=titles[x], ylabel=name)
    ax.grid(alpha=0.3)
    return figure
