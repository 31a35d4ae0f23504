"""Rerun the paper's experiments and print its figures next to ours.

    python tools/reproduce.py table1 --preset tiny
    python tools/reproduce.py table1 --loso      # one actor out at a time
    python tools/reproduce.py fig6 fig7 --seeds 5
    python tools/reproduce.py table1 --only 'x only' --seeds 1
    python tools/reproduce.py table1 --preset paper --data data --dry-run
    python tools/reproduce.py table1 mocap_flip --data mocap \
        --videos data/mocap
    python tools/reproduce.py --collect work_dirs/reproduce_tiny --pages

An experiment is a list of runs over the project's own configs. All runs share
one directory: runs that experiments have in common are trained once, finished
runs are kept, and killed runs resume when the same command is started again.
--collect adds finished runs to results/ in the repository, and --pages writes
the tables of the documentation from there.

The tiny preset takes photographs and labelled videos from --images, --videos
and --splits, from $MOSI_SHARED_DATA, or from shared/data beside the
repository; without them it uses dead leaves and the rendered videos of the
demo. The paper preset takes everything from --data.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from mosi_mmaction.cli.arguments import add_launcher_arguments
from mosi_mmaction.cli.start import start

#: Fine-tuning epochs in the tiny preset.
BUDGETS = {'short': 40, 'long': 600}
#: (epochs, training videos per class; None for all) with --data mocap.
MOCAP_BUDGETS = {'short': (40, 15), 'long': (60, None)}


ROOT = Path(__file__).resolve().parents[1]

#: Of mosi_mmaction.reproduction, without importing it.
NAMES = (
    'table1',
    'table2',
    'table3',
    'table4',
    'table5',
    'fig6',
    'fig7',
    'flip',
    'sources',
    'rates',
    'layers',
    'panned',
)
TINY_NAMES = ('transformers',)
MOCAP_NAMES = ('mocap_flip', 'sizes', 'pretrainings')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'experiments',
        nargs='*',
        metavar='EXPERIMENT',
        help=f'of {", ".join(NAMES)}; or all of these; with the tiny '
        f'preset of {", ".join(TINY_NAMES)}, too; with --data mocap of '
        f'{", ".join(MOCAP_NAMES)}, too',
    )
    parser.add_argument('--preset', choices=['tiny', 'paper'], default='tiny')
    parser.add_argument(
        '--budget',
        choices=[*BUDGETS, 'both'],
        help='fine-tuning epochs in the tiny preset: '
        f'{BUDGETS} (default: short, with --loso both)',
    )
    parser.add_argument(
        '--loso',
        action='store_true',
        help='run table1 leaving one actor out (tiny preset)',
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
        help='run only rows whose condition has these words, and their '
        'baselines; the table TABLE_only has these and all finished rows; '
        'may be given several times',
    )
    parser.add_argument(
        '--seeds',
        type=int,
        help='number of fine-tuning runs per condition '
        '(default: 3, with the paper preset 1)',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        help='number of simultaneous runs '
        '(default: one per core, with GPUs or a launcher 1)',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='directory of all runs (default: work_dirs/reproduce_PRESET)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='directory of results to add to (default: results in the work '
        'dir, with --collect and --pages results next to tools)',
    )
    results = parser.add_argument_group('results (no run is started)')
    results.add_argument(
        '--collect',
        type=Path,
        nargs='+',
        metavar='DIR',
        help='add the finished runs and the tables of these work dirs, or '
        'directories of results, to those of --out',
    )
    results.add_argument(
        '--replace',
        action='store_true',
        help='with --collect: replace existing runs that have a different '
        'result',
    )
    results.add_argument(
        '--pages',
        type=Path,
        nargs='?',
        const=Path(ROOT / 'docs'),
        metavar='DOCS',
        help='write the tables of DOCS/*.md and the pages '
        'DOCS/results/TABLE.md from --out; default docs beside tools',
    )
    data = parser.add_argument_group('data')
    data.add_argument(
        '--data',
        type=Path,
        default=Path('data'),
        help='paper preset: directory of hmdb51, ucf101, '
        'imagenet/train and kinetics400; tiny preset: mocap, the videos of '
        'tools/data/mocap_videos.py, whose --out is --videos',
    )
    data.add_argument(
        '--camera',
        choices=('still', 'panning'),
        default='still',
        help='with --data mocap',
    )
    data.add_argument('--images', type=Path, help='tiny: photographs')
    data.add_argument('--videos', type=Path, help='tiny: labelled videos')
    data.add_argument(
        '--splits',
        type=Path,
        help='tiny: directory of train.txt, test.txt and loso',
    )
    data.add_argument(
        '--rendered',
        action='store_true',
        help='tiny: use dead leaves and rendered videos in any case',
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
        help='number of clips that one core or GPU trains on in a '
        'second, for the estimate',
    )
    parser.add_argument(
        '--dry-run',
        action='store_true',
        help='only print commands and estimated cost',
    )
    add_launcher_arguments(parser)
    args = parser.parse_args(argv)
    known = [*NAMES, *TINY_NAMES, *MOCAP_NAMES, 'all']
    for name in args.experiments:
        if name not in known:
            parser.error(f'{name}: there are {", ".join(known)}')
    if bool(args.collect or args.pages) == bool(args.experiments):
        parser.error('either EXPERIMENT, or --collect or --pages')
    if 'all' in args.experiments:
        args.experiments = list(NAMES)
    if args.loso and (args.experiments != ['table1'] or args.preset != 'tiny'):
        parser.error('--loso is for table1 of the tiny preset')
    if args.preset == 'paper' and set(args.experiments) & set(TINY_NAMES):
        parser.error(f'{", ".join(TINY_NAMES)}: of the tiny preset')
    if args.preset == 'paper' and args.budget:
        parser.error("--budget: the paper preset has the paper's")
    args.mocap = args.preset == 'tiny' and str(args.data) == 'mocap'
    if args.mocap and (args.loso or args.seeds or args.splits):
        parser.error(
            '--data mocap: its folds and seeds are given, without --loso, '
            '--seeds and --splits'
        )
    if not args.mocap and set(args.experiments) & set(MOCAP_NAMES):
        parser.error(f'{", ".join(MOCAP_NAMES)}: with --data mocap')
    if not args.mocap and (args.videos is None) != (args.splits is None):
        parser.error('--videos and --splits go together')
    for name in ('seeds', 'jobs', 'gpus'):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f'--{name} {value}: at least 1')
    return args


if __name__ == '__main__':
    start(parse_args)

import torch

from mosi_mmaction.reproduction.cost import print_plan
from mosi_mmaction.reproduction.experiments import EXPERIMENTS, table1_loso
from mosi_mmaction.reproduction.pages import write_pages, write_report
from mosi_mmaction.reproduction.preset_mocap import (
    MOCAP_EXPERIMENTS,
    Mocap,
)
from mosi_mmaction.reproduction.preset_paper import Paper
from mosi_mmaction.reproduction.preset_tiny import Tiny
from mosi_mmaction.reproduction.presets import Preset
from mosi_mmaction.reproduction.results_store import Results, collect
from mosi_mmaction.reproduction.run_commands import TOOLS, make_launch
from mosi_mmaction.reproduction.run_process import read_run
from mosi_mmaction.reproduction.run_scheduler import execute
from mosi_mmaction.reproduction.runs import portable_command
from mosi_mmaction.reproduction.tables import make_table
from mosi_mmaction.reproduction.transformers import TINY_EXPERIMENTS

DECLARED = {**EXPERIMENTS, **TINY_EXPERIMENTS, **MOCAP_EXPERIMENTS}


def budgets(args: argparse.Namespace) -> list[tuple[str, int]]:
    """Return names and epochs of the requested fine-tuning budgets."""
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
    """Return the preset with the available data."""
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


def declare(args: argparse.Namespace) -> list[tuple]:
    """Return the tables that were asked for: experiment, preset, name."""
    if args.loso:
        preset = build_preset(args, None)
        table = table1_loso(preset, budgets(args))
        tables = [(table, preset, f'table1_loso{preset.variant}')]
    else:
        kinds = budgets(args)
        if args.preset == 'paper':
            kinds = [(args.preset, args.finetune_epochs)]
        tables = []
        for kind, epochs in kinds:
            preset = build_preset(args, epochs, kind)
            tables += [
                (DECLARED[name](preset), preset, f'{name}_{kind}')
                for name in args.experiments
            ]
        tables = [(t, of, f'{name}{of.variant}') for t, of, name in tables]
    if args.only:
        for table, of, _ in tables:
            table.keep(args.only, of.finished)
        # In addition to the whole table, not instead of it.
        tables = [(table, of, f'{stem}_only') for table, of, stem in tables]
    return tables


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    if args.collect or args.pages:
        store = Results(args.out or TOOLS.parent / 'results')
        if args.collect:
            print(collect(args.collect, store, args.replace))
        if args.pages:
            print(*write_pages(store, args.pages), sep='\n')
        return
    # The runs must end with the tool, whatever closes its terminal.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    launch = make_launch(args.launcher, args.gpus, args.partition)
    tables = declare(args)
    root = tables[0][1].root
    runs = {
        name: of.runs[name]
        for table, of, _ in tables
        for row in table.rows
        for name in (*row.pretrains, *row.finetunes)
    }
    on_cpu = args.launcher == 'none' and not torch.cuda.is_available()
    jobs = args.jobs or ((os.cpu_count() or 1) if on_cpu else 1)
    scale = 1 if args.launcher == 'none' else args.gpus
    if args.dry_run:
        print_plan(tables, runs, launch, scale, jobs)
        return
    for _, of, _ in tables:
        of.prepare()
    # One thread per run, so that results do not depend on --jobs.
    results = execute(
        list(runs.values()), root, jobs, 1 if on_cpu else None, launch
    )
    out = args.out or root / 'results'
    command = portable_command(
        ['python', 'tools/reproduce.py', *(argv or sys.argv[1:])]
    )
    lines = [
        {**read_run(root / name), **run.declaration(root)}
        for name, run in runs.items()
    ]
    made = {
        name: make_table(experiment, of, results, command, scale)
        for experiment, of, name in tables
    }
    # A repeated run may differ in its last bits.
    replace = args.replace or not args.out
    for page in write_report(Results(out), lines, made, replace):
        print(f'\n{page}')
    print(f'runs.jsonl and tables: {out}')


if __name__ == '__main__':
    main()
