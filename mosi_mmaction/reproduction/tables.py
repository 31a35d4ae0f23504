"""Make tables from the results of runs."""

import datetime
import statistics

import numpy as np
from scipy.stats import bootstrap

from .experiment import Experiment
from .origin import commit, machine
from .presets import Preset, Row


def bootstrap_interval(
    values: list[float], level: float = 0.95, resamples: int = 10000
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean.

    Args:
        values: One value per replicate, such as paired differences.
        level: Coverage of the interval.
        resamples: Number of resamples, drawn with a fixed seed: the same
            values give the same interval.

    Returns:
        Lower and upper end. For fewer than four values, these are the
        smallest and the largest value: such means are drawn more often than
        2.5 %.

    Raises:
        ValueError: If there is no value.
    """
    if not values:
        raise ValueError('an interval needs at least one value')
    if len(values) == 1:
        return float(values[0]), float(values[0])
    found = bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        method='percentile',
        rng=np.random.default_rng(0),
    )
    # A percentile between two means is rounded outwards.
    means, tail = found.bootstrap_distribution, (1 - level) / 2
    return (
        float(np.quantile(means, tail, method='lower')),
        float(np.quantile(means, 1 - tail, method='higher')),
    )


def summarize(row: Row, results: dict[str, dict]) -> dict:
    """Return the summary of a row, with all accuracies in %.

    Args:
        row: Row to summarize.
        results: Results of :func:`~.run_scheduler.execute`.

    Returns:
        ``condition``, ``paper``, ``paper_pretext``, ``top1`` (one per
        replicate), ``mean``, ``sd`` (None for one replicate), ``pretext``,
        ``baseline`` (its condition), ``difference`` (``mean``, ``low``,
        ``high``, paired by replicate), ``hours`` (of cores or GPUs,
        pretraining included), ``pretrains`` and ``finetunes`` (names). The
        pretext accuracy of several pretrainings is their mean.
    """

    def top1(of: Row) -> list[float]:
        return [100 * results[n]['final']['acc/top1'] for n in of.finetunes]

    values = top1(row)
    names = [*row.pretrains, *row.finetunes]
    pretext = [
        100 * results[n]['final']['pretext/top1'] for n in row.pretrains
    ]
    summary = dict(
        condition=row.condition,
        paper=row.paper,
        paper_pretext=row.paper_pretext,
        top1=values,
        mean=statistics.mean(values),
        sd=statistics.stdev(values) if len(values) > 1 else None,
        pretext=statistics.mean(pretext) if pretext else None,
        baseline=None,
        difference=None,
        hours=sum(results[n]['seconds'] for n in names) / 3600,
        pretrains=row.pretrains,
        finetunes=row.finetunes,
    )
    if row.baseline is not None:
        pairs = zip(values, top1(row.baseline))
        gains = [ours - theirs for ours, theirs in pairs]
        low, high = bootstrap_interval(gains)
        summary['baseline'] = row.baseline.condition
        summary['difference'] = dict(
            mean=statistics.mean(gains), low=low, high=high
        )
    return summary


def format_table(rows: list[dict], unit: str, scale: float = 1.0) -> str:
    """Return summaries as a Markdown table.

    Args:
        rows: Summaries of :func:`summarize`.
        unit: Unit of cost, ``'core'`` or ``'GPU'``.
        scale: Number of units that a run uses.
    """

    def number(value: float | None) -> str:
        return '–' if value is None else f'{value:.1f}'

    lines = [
        '| condition | paper | ours: mean ± sd | n | '
        'Acc-PT (paper) | difference to baseline [95 %] | '
        f'{unit}-hours |',
        '|---|---:|---:|---:|---:|---|---:|',
    ]
    for row in rows:
        pretext = number(row['pretext'])
        if row['paper_pretext'] is not None:
            pretext += f' ({number(row["paper_pretext"])})'
        gain = 'baseline'
        if row['difference'] is not None:
            gain = format_gain(row)
        if gain == 'baseline' and row['condition'] not in {
            other['baseline'] for other in rows
        }:
            gain = '–'
        ours = number(row['mean'])
        if row['sd'] is not None:
            ours += f' ± {row["sd"]:.1f}'
        lines.append(
            f'| {row["condition"]} | {number(row["paper"])} | {ours} | '
            f'{len(row["top1"])} | {pretext} | {gain} | '
            f'{scale * row["hours"]:.2f} |'
        )
    return '\n'.join(lines) + '\n'


def format_gain(row: dict) -> str:
    """Return the difference to the baseline and its interval."""
    return '{mean:+.1f} [{low:+.1f}, {high:+.1f}]'.format_map(
        row['difference']
    )


def make_table(
    experiment: Experiment,
    preset: Preset,
    results: dict[str, dict],
    command: str,
    scale: float,
) -> dict:
    """Return a table as data.

    Args:
        experiment: Experiment with the rows.
        preset: Preset that the rows come from.
        results: Results of :func:`~.run_scheduler.execute`.
        command: Command line.
        scale: Number of cores or GPUs of a run.

    Returns:
        ``title``, ``preset``, ``command``, ``date``, ``machine``,
        ``commit``, ``unit`` and ``scale`` of the hours, ``rows`` from
        :func:`summarize`, and ``notes``, a list of sentences.
    """
    rows = [summarize(row, results) for row in experiment.rows]
    num = {len(row['top1']) for row in rows}
    count = f'n = {min(num)}' if len(num) == 1 else f'{min(num)} to {max(num)}'
    once = {
        name
        for row in experiment.rows
        for name in (*row.pretrains, *row.finetunes)
    }
    hours = scale * sum(results[name]['seconds'] for name in once) / 3600
    notes = [
        *preset.describe(experiment.folds),
        *experiment.notes,
        f'Top-1 in %; {count} replicates of fine-tuning from one '
        'pretraining unless stated otherwise. Differences are paired by '
        'replicate; the interval is a percentile bootstrap over them. It '
        'does not cover the variation between pretrainings if they share one'
        + (
            '; for three replicates or fewer it is simply their range.'
            if min(num) < 4
            else '.'
        ),
        f'A row counts its pretraining in full; all runs together, each '
        f'once: {hours:.2f} {preset.unit}-hours (wall time × '
        f'{preset.unit}s of a run).',
    ]
    return dict(
        title=experiment.title,
        preset=preset.name,
        command=command,
        date=datetime.date.today().isoformat(),
        machine=machine(),
        commit=commit(),
        unit=preset.unit,
        scale=scale,
        rows=rows,
        notes=notes,
    )


def format_page(table: dict) -> str:
    """Return a table with its notes as Markdown."""
    rows = format_table(table['rows'], table['unit'], table['scale'])
    return (
        f'## {table["title"]}\n\n{rows}\n'
        + ''.join(f'- {note}\n' for note in table['notes'])
        + f'- `{table["command"]}`; {table["date"]}; {table["machine"]}.\n'
    )
