#!/usr/bin/env python
"""Draw curves and tables from the logs of runs.

    python tools/plot_logs.py curves RUN...
    python tools/plot_logs.py confusion CONFIG CHECKPOINT
    python tools/plot_logs.py versus RUN... --x mask_size|frozen_stages

RUN is the work dir of a run. `curves` plots loss and accuracies over the
epochs, including pretext accuracy by direction and by speed. `versus` gives a
table and a plot of each run's last accuracy against a setting of its config,
with mean and standard deviation of runs (seeds) that share the setting (paper
Fig. 6, Fig. 7). `confusion` shows what a pretext network predicts for each
label, on its test set.
"""

import argparse
from pathlib import Path

from mosi_mmaction.cli.arguments import add_network_arguments, read_options
from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='command', required=True)
    for name in ('curves', 'confusion', 'versus'):
        command = commands.add_parser(name)
        command.add_argument(
            '--out', default=f'work_dirs/{name}.png', metavar='FILE.png'
        )
        if name == 'confusion':
            add_network_arguments(command)
            continue
        command.add_argument(
            'runs', nargs='+', metavar='RUN', help='work dir, or scalars.json'
        )
        if name == 'versus':
            command.add_argument(
                '--x', required=True, choices=('mask_size', 'frozen_stages')
            )
            command.add_argument(
                '--key',
                help='accuracy to plot, such as '
                'acc/top1 (default: the only .../top1)',
            )
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

# First, because it says what to install if matplotlib is missing.
import mosi_mmaction.visualization  # noqa: F401  isort: skip

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

from mosi_mmaction.apis.networks import build_network, read_config
from mosi_mmaction.visualization.logs import read_curves, tabulate
from mosi_mmaction.visualization.plots import (
    draw_confusion,
    draw_curves,
    draw_versus,
)


def confusion(
    cfg: Config, checkpoint: str, device: str = 'cpu'
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Count what a pretext network predicts for each label of its test set.

    Returns:
        Counts (C, C), one row per true label; names of the labels.

    Raises:
        ValueError: If this is not a pretraining config.
    """
    if cfg.model.cls_head.type != 'MoSIHead':
        raise ValueError(
            f'{cfg.filename}: has no MoSIHead; the confusion '
            'matrix is for pretraining configs'
        )
    model = build_network(cfg, checkpoint, device=device)
    pool = model.cls_head.pool
    counts = np.zeros((len(pool), len(pool)), np.int64)
    for batch in Runner.build_dataloader(cfg.test_dataloader):
        for sample in model.test_step(batch):
            np.add.at(
                counts,
                (
                    sample.gt_label.cpu().numpy(),
                    sample.pred_label.cpu().numpy(),
                ),
                1,
            )
    return counts, pool.names


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    if args.command == 'curves':
        figure = draw_curves(
            {Path(run).name: read_curves(run) for run in args.runs}
        )
    elif args.command == 'confusion':
        counts, names = confusion(
            read_config(args.config, read_options(args.cfg_options)),
            args.checkpoint,
            args.device,
        )
        print(
            f'top-1: {np.trace(counts) / counts.sum():.4f} of '
            f'{counts.sum()} clips'
        )
        figure = draw_confusion(counts, names)
    else:
        name, rows = tabulate(args.runs, args.x, args.key)
        print(f'| {args.x} | {name} | runs |\n|---|---|---|')
        for setting, values in rows:
            spread = f' ± {100 * values.std():.1f}' if len(values) > 1 else ''
            print(
                f'| {setting} | {100 * values.mean():.1f}{spread} | '
                f'{len(values)} |'
            )
        figure = draw_versus(name, rows, args.x)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=90)
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
