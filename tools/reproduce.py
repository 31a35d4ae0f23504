"""Run the paper's experiments again, and print its figures beside ours.

    python tools/reproduce.py table1 --preset tiny
    python tools/reproduce.py table1 --loso      # one actor out at a time
    python tools/reproduce.py fig6 fig7 --seeds 5
    python tools/reproduce.py table1 --only 'x only' --seeds 1
    python tools/reproduce.py table1 --preset paper --data data --dry-run
    python tools/reproduce.py table1 mocap_flip --data mocap \
        --videos data/mocap

An experiment is a list of runs over the project's own configs. All share
one folder: what two experiments have in common is trained once, what is
finished is kept, and what was killed resumes. Start the same command again.

The tiny preset takes photographs and labelled videos from
$MOSI_SHARED_DATA, or from shared/data beside the repository, or from
--images, --videos and --splits; without them, dead leaves and the rendered
videos of the demo. The paper preset takes all from --data.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import shutil
import signal
import statistics
import sys
from pathlib import Path

import numpy as np
import torch

from mosi_mmaction.reproduction.experiments import (
    EXPERIMENTS,
    Experiment,
    table1_loso,
)
from mosi_mmaction.reproduction.mocap import (
    CAMERAS,
    MOCAP_EXPERIMENTS,
    Mocap,
)
from mosi_mmaction.reproduction.paper import Paper
from mosi_mmaction.reproduction.presets import Preset, Row
from mosi_mmaction.reproduction.runs import (
    TOOLS,
    Launch,
    Run,
    commands,
    execute,
    finished,
    make_launch,
)
from mosi_mmaction.reproduction.tiny import Tiny

#: Epochs of fine-tuning in the tiny preset.
BUDGETS = {'short': 40, 'long': 600}

#: (epochs, training videos a class; None for all) with --data mocap.
MOCAP_BUDGETS = {'short': (40, 15), 'long': (60, None)}

#: Seconds that a process needs before its first step, for estimates.
STARTUP = 10


def bootstrap_interval(
    values: list[float], level: float = 0.95, resamples: int = 10000
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a mean.

    Args:
        values: One a replicate, such as paired differences.
        level: Coverage.
        resamples: Drawn with a fixed seed: the same values give the same
            interval.

    Returns:
        Lower and upper end. Of fewer than four values it is the smallest
        and the largest: those means are drawn more often than 2.5 %.

    Raises:
        ValueError: If there is no value.
    """
    if not values:
        raise ValueError('an interval needs at least one value')
    # A percentile that lies between two means takes the outer one.
    draws = np.random.default_rng(0).choice(
        np.asarray(values, float), (resamples, len(values))
    )
    tail = (1 - level) / 2
    means = draws.mean(axis=1)
    return (
        float(np.quantile(means, tail, method='lower')),
        float(np.quantile(means, 1 - tail, method='higher')),
    )


def summarize(row: Row, results: dict[str, dict]) -> dict:
    """Return what a row says, all accuracies in %.

    Args:
        row: The row.
        results: Of :func:`runs.execute`.

    Returns:
        ``condition``, ``paper``, ``paper_pretext``, ``top1`` (one a
        replicate), ``mean``, ``sd`` (None of one replicate), ``pretext``,
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
        rows: Of :func:`summarize`.
        unit: ``'core'`` or ``'GPU'``.
        scale: How many of them a run has.
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
            gain = '{mean:+.1f} [{low:+.1f}, {high:+.1f}]'.format_map(
                row['difference']
            )
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


def report(
    experiment: Experiment,
    preset: Preset,
    results: dict,
    out: Path,
    stem: str,
    scale: float,
) -> str:
    """Write a table as Markdown and JSON, and each run's JSON beside it.

    Args:
        experiment: Its rows.
        preset: Where they come from.
        results: Of :func:`runs.execute`.
        out: Folder to write to.
        stem: Of the files' names.
        scale: Cores or GPUs of a run.

    Returns:
        The Markdown.
    """
    rows = [summarize(row, results) for row in experiment.rows]
    num = {len(row['top1']) for row in rows}
    once = {
        name
        for row in experiment.rows
        for name in (*row.pretrains, *row.finetunes)
    }
    hours = scale * sum(results[name]['seconds'] for name in once) / 3600
    notes = [
        *preset.describe(experiment.folds),
        *experiment.notes,
        f'Top-1 in %. n replicates ({min(num)} to {max(num)}) of fine-tuning '
        'from one pretraining, where nothing else is said; differences are '
        'paired by replicate, the interval is a percentile bootstrap over '
        'them. It does not cover the chance in a pretraining that they share'
        + (
            ', and of three replicates or fewer it is just their range.'
            if min(num) < 4
            else '.'
        ),
        f'A row counts its pretraining in full; all runs together, each '
        f'once: {hours:.2f} {preset.unit}-hours (wall time × '
        f'{preset.unit}s of a run).',
    ]
    head = dict(
        command=shlex.join(['python', 'tools/reproduce.py', *sys.argv[1:]]),
        date=datetime.date.today().isoformat(),
        machine=machine(),
    )
    text = f'## {experiment.title}\n\n{format_table(rows, preset.unit, scale)}'
    text += '\n' + ''.join(f'- {note}\n' for note in notes)
    text += f'- `{head["command"]}`; {head["date"]}; {head["machine"]}.\n'
    runs = out / 'runs'
    runs.mkdir(parents=True, exist_ok=True)
    for name in once:
        shutil.copyfile(
            preset.root / name / 'result.json', runs / f'{name}.json'
        )
    (out / f'{stem}.md').write_text(text, encoding='utf-8')
    content = dict(
        title=experiment.title,
        preset=preset.name,
        **head,
        rows=rows,
        notes=notes,
    )
    (out / f'{stem}.json').write_text(json.dumps(content, indent=1))
    return text


def machine() -> str:
    """Return what this runs on, in words."""
    name = platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                name = line.split(':', 1)[1].strip()
                break
    if torch.cuda.is_available():
        name += f', {torch.cuda.get_device_name()}'
    return f'{os.cpu_count()} cores of {name}, torch {torch.__version__}'


def print_plan(
    tables: list[tuple[Experiment, Preset, str]],
    runs: dict[str, Run],
    launch: Launch,
    scale: int,
    jobs: int,
) -> None:
    """Print the commands and the estimated cost of what is not done yet."""
    preset = tables[0][1]
    root, unit = preset.root, preset.unit
    cost, printed = {}, set()
    for name, run in runs.items():
        epochs = run.resolve(root, runs).train_cfg.max_epochs
        done = finished(root / name, run.spec(runs))
        cost[name] = (
            0.0 if done else (epochs * run.cost + scale * STARTUP) / 3600
        )
    sums = []
    for table, _, stem in tables:
        used = {}
        for row in table.rows:
            for name in (*row.pretrains, *row.finetunes):
                used[name] = cost[name]
                if name not in printed:
                    run = runs[name]
                    epochs = run.resolve(root, runs).train_cfg.max_epochs
                    train, test = commands(run, root, epochs, launch)
                    state = (
                        f'about {60 * cost[name]:.1f} {unit}-minutes'
                        if cost[name]
                        else 'done'
                    )
                    print(
                        f'# {stem}, {row.condition}: {epochs} epochs, '
                        f'seed {run.seed}, {state}'
                    )
                    print(shlex.join(train))
                    if run.test:
                        print(shlex.join(test))
                    printed.add(name)
        sums.append(
            f'# {stem}: {len(used)} runs, to do about '
            f'{sum(used.values()):.2f} {unit}-hours'
        )
    print(*sums, sep='\n')
    total = sum(cost.values())
    print(
        f'# {len(cost)} runs, each once; to do about {total:.2f} '
        f'{unit}-hours, {total / jobs / scale:.2f} hours with {jobs} at '
        'once if nothing else runs. config.py and lists are written as '
        'the runs start.'
    )


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'experiments',
        nargs='+',
        metavar='EXPERIMENT',
        choices=[*EXPERIMENTS, *MOCAP_EXPERIMENTS, 'all'],
        help=f'of {", ".join(EXPERIMENTS)}; or all; with --data mocap of '
        f'{", ".join(MOCAP_EXPERIMENTS)}, too',
    )
    parser.add_argument('--preset', choices=['tiny', 'paper'], default='tiny')
    parser.add_argument(
        '--budget',
        choices=[*BUDGETS, 'both'],
        help='epochs of fine-tuning in the tiny preset: '
        f'{BUDGETS}; default short, with --loso both',
    )
    parser.add_argument(
        '--loso',
        action='store_true',
        help='table1 by leaving one actor out, tiny preset',
    )
    parser.add_argument(
        '--network',
        help='other than the preset’s, where a '
        'table does not say which: tiny r2p1d-paper or '
        'r2d3d, paper r2p1d; its tables have names of their '
        'own',
    )
    parser.add_argument(
        '--only',
        action='append',
        metavar='WORDS',
        help='only rows whose condition has these words, '
        'and their baselines, in a table TABLE_only; may be '
        'given several times',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        help='fine-tunings of a condition; default 3, with the paper preset 1',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        help='runs at once; default one a core, with GPUs or a launcher 1',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='folder of all runs; default work_dirs/reproduce_PRESET',
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='folder of the tables; default results in the work dir',
    )
    data = parser.add_argument_group('data')
    data.add_argument(
        '--data',
        type=Path,
        default=Path('data'),
        help='paper preset: folder of hmdb51, ucf101, '
        'imagenet/train and kinetics400; tiny preset: mocap, the videos of '
        'tools/data/mocap_videos.py, whose --out is --videos',
    )
    data.add_argument(
        '--camera', choices=CAMERAS, default='still', help='with --data mocap'
    )
    data.add_argument('--images', type=Path, help='tiny: photographs')
    data.add_argument('--videos', type=Path, help='tiny: labelled videos')
    data.add_argument(
        '--splits', type=Path, help='tiny: folder of train.txt, test.txt, loso'
    )
    data.add_argument(
        '--rendered',
        action='store_true',
        help='tiny: dead leaves and rendered videos, whatever else there is',
    )
    parser.add_argument(
        '--pretrain-epochs', type=int, help="instead of the preset's"
    )
    parser.add_argument(
        '--finetune-epochs', type=int, help='instead of --budget'
    )
    parser.add_argument(
        '--speed',
        type=float,
        help='clips that one core or GPU trains on in a '
        'second, for the estimate',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='print commands and estimated cost only',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='what starts a run',
    )
    parser.add_argument(
        '--gpus',
        type=int,
        default=8,
        help='processes of a run, with a launcher',
    )
    parser.add_argument('--partition', help='of Slurm')
    args = parser.parse_args(argv)
    if 'all' in args.experiments:
        args.experiments = list(EXPERIMENTS)
    if args.loso and (args.experiments != ['table1'] or args.preset != 'tiny'):
        parser.error('--loso is for table1 of the tiny preset')
    if args.preset == 'paper' and args.budget:
        parser.error("--budget: the paper preset has the paper's")
    args.mocap = args.preset == 'tiny' and str(args.data) == 'mocap'
    if args.mocap and (args.loso or args.seeds or args.splits):
        parser.error(
            '--data mocap: its folds and seeds are given, without --loso, '
            '--seeds and --splits'
        )
    if not args.mocap and set(args.experiments) & set(MOCAP_EXPERIMENTS):
        parser.error(f'{", ".join(MOCAP_EXPERIMENTS)}: with --data mocap')
    if not args.mocap and (args.videos is None) != (args.splits is None):
        parser.error('--videos and --splits go together')
    for name in ('seeds', 'jobs', 'gpus'):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f'--{name} {value}: at least 1')
    return args


def budgets(args: argparse.Namespace) -> list[tuple[str, int]]:
    """Return names and epochs of the fine-tunings that were asked for."""
    if args.finetune_epochs:
        return [('given', args.finetune_epochs)]
    name = args.budget or ('both' if args.loso else 'short')
    if args.mocap:
        names = list(MOCAP_BUDGETS) if name == 'both' else [name]
        return [(n, MOCAP_BUDGETS[n][0]) for n in names]
    return list(BUDGETS.items()) if name == 'both' else [(name, BUDGETS[name])]


def build_preset(
    args: argparse.Namespace, epochs: int | None, budget: str = 'short'
) -> Preset:
    """Return the preset, with the data that there are."""
    root = args.work_dir or Path(f'work_dirs/reproduce_{args.preset}')
    common = dict(
        root=root,
        speed=args.speed,
        network=args.network,
        epochs=(args.pretrain_epochs, epochs),
        seeds=args.seeds or (1 if args.preset == 'paper' else 3),
    )
    if args.preset == 'paper':
        return Paper(args.data, **common)
    if args.rendered:
        return Tiny(**common)
    shared = Path(
        os.environ.get('MOSI_SHARED_DATA') or TOOLS.parents[1] / 'shared/data'
    )
    images, videos, splits = args.images, args.videos, args.splits
    if images is None:
        images = shared / 'images/imagenet1k_sample'
        images = images if images.is_dir() else None
    if args.mocap:
        common.pop('seeds')
        few = MOCAP_BUDGETS.get(budget, (0, 15))[1]
        return Mocap(
            videos or Path('data/mocap'),
            args.camera,
            few,
            images,
            seeds=0,
            **common,
        )
    if videos is None:
        videos, splits = shared / 'videos/weizmann', shared / 'splits/weizmann'
        if not (videos.is_dir() and splits.is_dir()):
            videos = splits = None
    return Tiny(images, videos, splits, **common)


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    # So that the runs end with the tool, whatever closes its terminal.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    launch = make_launch(args.launcher, args.gpus, args.partition)
    tables = []
    if args.loso:
        preset = build_preset(args, None)
        tables.append(
            (
                table1_loso(preset, budgets(args)),
                preset,
                f'table1_loso{preset.variant}',
            )
        )
    else:
        kinds = (
            [(args.preset, args.finetune_epochs)]
            if args.preset == 'paper'
            else budgets(args)
        )
        for kind, epochs in kinds:
            preset = build_preset(args, epochs, kind)
            tables += [
                (
                    {**EXPERIMENTS, **MOCAP_EXPERIMENTS}[name](preset),
                    preset,
                    f'{name}_{kind}{preset.variant}',
                )
                for name in args.experiments
            ]
    root, runs = preset.root, {}
    if args.only:
        for table, _, _ in tables:
            table.keep(args.only)
        # Beside the whole table, not instead of it.
        tables = [(table, of, f'{stem}_only') for table, of, stem in tables]
    for table, of, _ in tables:
        for row in table.rows:
            runs.update(
                {
                    name: of.runs[name]
                    for name in (*row.pretrains, *row.finetunes)
                }
            )
    on_cpu = args.launcher == 'none' and not torch.cuda.is_available()
    jobs = args.jobs or ((os.cpu_count() or 1) if on_cpu else 1)
    scale = 1 if args.launcher == 'none' else args.gpus
    if args.dry_run:
        print_plan(tables, runs, launch, scale, jobs)
        return
    for _, of, _ in tables:
        of.prepare()
    # One thread in each, so that bits do not depend on how many at once.
    results = execute(
        list(runs.values()), root, jobs, 1 if on_cpu else None, launch
    )
    out = args.out or root / 'results'
    for table, of, stem in tables:
        print('\n' + report(table, of, results, out, stem, scale))
    print(f'tables: {out}')


if __name__ == '__main__':
    main()
