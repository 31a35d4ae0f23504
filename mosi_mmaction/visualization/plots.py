"""Plots of the logs of runs, and confusion matrices."""

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from .fonts import families
from .logs import Curves

#: Names of curves in legends, where the last part of the name is not enough.
KINDS = {
    'top1_acc': 'training top-1',
    'top1': 'validation top-1',
    'top5': 'validation top-5',
    'mean1': 'validation, mean over classes',
    'speed1': 'slow, speed 1',
    'speed2': 'fast, speed 2',
}
MARKERS = 'os^vDPX'


def panels_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Group curves by the panel they are drawn in."""
    short = {name: name.split('/')[-1] for name in names}
    panels = {
        'training loss': ['loss'],
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


def draw_curves(
    runs: dict[str, Curves], chance: float | None = None
) -> Figure:
    """Draw the curves of a run, a panel for each kind.

    Of several runs only training loss and validation top-1, one colour a run.

    Args:
        runs: Curves by name of the run.
        chance: Accuracy by chance, drawn as a line; None draws none.

    Raises:
        ValueError: If the runs have neither losses nor accuracies.
    """
    names = list(
        dict.fromkeys(name for curves in runs.values() for name in curves)
    )
    panels = panels_of(names)
    held_out = [name for name in names if name.endswith('/top1')]
    several = len(runs) > 1
    if several and held_out:
        panels = {k: v for k, v in panels.items() if k == 'training loss'}
        panels['validation top-1'] = held_out
    if not panels:
        raise ValueError(f'no loss and no accuracy in {list(runs)}')
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    with plt.rc_context({'font.family': families(runs)}):
        # As wide as a page, so that nothing is shrunk on it.
        figure, axes = plt.subplots(
            rows,
            columns,
            figsize=(4.6 * columns, 3.9 * rows),
            squeeze=False,
            layout='constrained',
        )
        for ax in axes.flat[len(panels) :]:
            ax.remove()
        for ax, (title, names) in zip(axes.flat, panels.items()):
            lines = [
                (run, name, curves[name])
                for run, curves in runs.items()
                for name in names
                if name in curves
            ]
            _draw_lines(ax, lines, names, list(runs))
            # Set here, as curves that are drawn apart are left out of it.
            first, last = _span(lines)
            margin = 0.04 * (last - first) or 0.5
            ax.set_xlim(first - margin, last + margin)
            ax.set(title=title, xlabel='epoch')
            _tick_epochs(ax, runs, held_out)
            if title == 'training loss':
                ax.set_ylabel('loss')
            else:
                ax.set(ylabel='accuracy', ylim=(-0.03, 1.03))
                if chance is not None and 'top' in ''.join(names):
                    ax.axhline(chance, color='0.4', ls=':', label='chance')
            ax.grid(alpha=0.3)
            # Below, because the curves fill the panel.
            ax.legend(
                fontsize=9,
                loc='upper center',
                ncols=2 if _longest(ax) < 26 else 1,
                bbox_to_anchor=(0.5, -0.16),
            )
    return figure


def _draw_lines(
    ax: Axes, lines: list[tuple], names: list[str], runs: list[str]
) -> None:
    """Draw curves; accuracies that coincide somewhere a little apart."""
    figure = ax.get_figure()
    points = [set(zip(*curve)) for *_, curve in lines]
    met = [
        n
        for n, own in enumerate(points)
        if any(own & other for k, other in enumerate(points) if k != n)
    ]
    styles = ('-', '--', ':', '-.')
    for n, (run, name, (epochs, values)) in enumerate(lines):
        kind = name.split('/')[-1]
        label, style, color = KINDS.get(kind, kind), '-', f'C{n % 10}'
        if len(runs) > 1:
            label, color = run, f'C{runs.index(run) % 10}'
            if len(names) > 1:
                label = f'{run}: {name}'
                style = styles[names.index(name) % 4]
        transform = ax.transData
        if kind != 'loss' and n in met:
            # Side by side, as at 0 and at 1, in points; the values stay.
            apart = 1.5 * ((len(met) - 1) / 2 - met.index(n))
            transform = transform + ScaledTranslation(
                0, apart / 72, figure.dpi_scale_trans
            )
        ax.plot(
            epochs,
            values,
            style,
            color=color,
            label=shortened(label, 40),
            # Only what is measured once in a while has marks.
            marker=MARKERS[n % len(MARKERS)] if '/' in name else None,
            markersize=4,
            transform=transform,
        )


def _span(lines: list[tuple]) -> tuple[float, float]:
    """Return the first and the last epoch of curves."""
    epochs = [epoch for *_, curve in lines for epoch in curve[0]]
    return min(epochs), max(epochs)


def _longest(ax: Axes) -> int:
    """Return the number of letters of the longest name in a legend."""
    return max(len(name) for name in ax.get_legend_handles_labels()[1])


def _tick_epochs(ax: Axes, runs: dict[str, Curves], names: list[str]) -> None:
    """Put ticks at epochs that were validated, at eight at most."""
    epochs = sorted(
        {
            epoch
            for curves in runs.values()
            for name in names
            for epoch in curves.get(name, ((), ()))[0]
        }
    )
    if not epochs:
        ax.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
        return
    # Every so many, counted from the last, whose values are reported.
    step = -(-len(epochs) // 8)
    ax.set_xticks(epochs[::-1][::step])


def draw_confusion(
    counts: np.ndarray, names: Sequence[str], unit: str = 'clips'
) -> Figure:
    """Draw a confusion matrix, in percent of each true label.

    Args:
        counts: (C, C) integers, one row per true label.
        names: Names of the labels.
        unit: What is counted, in the plural.
    """
    total = counts.sum(1)
    share = 100 * counts / np.maximum(total, 1)[:, None]
    # In inches; three digits of the letters' size fit in.
    cell, letters = (0.6, 12) if len(names) <= 12 else (0.45, 9)
    side = 2.5 + cell * len(names)
    with plt.rc_context({'font.family': families(names)}):
        figure, ax = plt.subplots(figsize=(side, side), layout='constrained')
        ax.imshow(share, cmap='Blues', vmin=0, vmax=100)
        short = [shortened(name, 32) for name in names]
        ax.set_xticks(range(len(names)), short, rotation=45, ha='right')
        for text in ax.get_xticklabels():
            text.set_rotation_mode('anchor')
        ax.set_yticks(
            range(len(names)), [f'{n} ({k})' for n, k in zip(short, total)]
        )
        right = np.trace(counts) / max(counts.sum(), 1)
        ax.set(
            xlabel='predicted label',
            ylabel=f'true label (number of {unit})',
        )
        # Above names and matrix, as a few classes make it narrow.
        figure.suptitle(
            f'top-1: {100 * right:.1f} % of {counts.sum()} {unit}\n'
            'cells: percent of each true label',
            fontsize=12,
        )
        for (y, x), value in np.ndenumerate(share):
            if counts[y, x]:
                ax.text(
                    x,
                    y,
                    f'{value:.0f}',
                    ha='center',
                    va='center',
                    color='white' if value > 60 else 'black',
                    fontsize=letters,
                )
    return figure


def shortened(name: str, letters: int) -> str:
    """Cut a long name in its middle, as names differ at their ends."""
    if len(name) <= letters:
        return name
    left = (letters - 1) // 2
    return f'{name[:left]}…{name[len(name) - (letters - 1 - left) :]}'


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
