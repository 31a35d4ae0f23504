#!/usr/bin/env python
"""Draw curves and tables from the logs of runs.

    python tools/plot_logs.py curves RUN...
    python tools/plot_logs.py confusion CONFIG CHECKPOINT
    python tools/plot_logs.py versus RUN... --x mask_size|frozen_stages

RUN is the work dir of a run. `curves` plots loss and accuracies over the
epochs, including pretext accuracy by direction and by speed; of several runs,
training loss and validation top-1. `versus` gives a
table and a plot of each run's last accuracy against a setting of its config,
with mean and standard deviation of runs (seeds) that share the setting (paper
Fig. 6, Fig. 7). `confusion` shows what a network predicts for each label of
its test set: of a pretraining config the motions, of a fine-tuning config the
actions, with their names from `classes.txt` beside the list.
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
            '--out',
            metavar='FILE.png',
            help=f'default: work_dirs/{name}/, under the name of the run',
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

from mosi_mmaction.apis.networks import (
    build_network,
    class_names,
    read_config,
)
from mosi_mmaction.cli.names import name_of_checkpoint, name_of_runs
from mosi_mmaction.visualization.logs import (
    chance_of,
    names_of,
    read_curves,
    tabulate,
)
from mosi_mmaction.visualization.plots import (
    draw_confusion,
    draw_curves,
    draw_versus,
)


def confusion(
    cfg: Config, checkpoint: str, device: str = 'cpu'
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Count what a network predicts for each label of its test set.

    Args:
        cfg: Pretraining config, or one of an action classifier.
        checkpoint: File of the network.
        device: Where to compute.

    Returns:
        Counts (C, C), one row per true label; names of the labels: the label
        pool's, those of ``classes.txt``, or numbers.

    Raises:
        ValueError: If the network does not classify, or a video has several
            labels.
    """
    model = build_network(cfg, checkpoint, device=device, render=True)
    head = model.cls_head
    if not hasattr(head, 'num_classes'):
        raise ValueError(
            f'{cfg.filename}: its {type(head).__name__} does not classify, '
            'so that there is no confusion matrix; use the config of a '
            'pretraining or of an action classifier'
        )
    counts = np.zeros((head.num_classes, head.num_classes), np.int64)
    for batch in Runner.build_dataloader(cfg.test_dataloader):
        for sample in model.test_step(batch):
            labels = sample.gt_label.cpu().numpy()
            predicted = sample.pred_label.cpu().numpy()
            if labels.shape != predicted.shape:
                raise ValueError(
                    f'{cfg.filename}: a video with the labels '
                    f'{labels.tolist()}; the confusion matrix is for one '
                    'label a video'
                )
            np.add.at(counts, (labels, predicted), 1)
    if hasattr(head, 'pool'):
        return counts, head.pool.names
    names = class_names(cfg)
    if names is None or len(names) != len(counts):
        names = [str(label) for label in range(len(counts))]
    return counts, tuple(names)


def default_out(args: argparse.Namespace) -> str:
    """Return the file of a picture, another one for each run or runs."""
    if args.command == 'confusion':
        name = name_of_checkpoint(args.checkpoint)
    else:
        name = name_of_runs(args.runs)
    if args.command == 'versus':
        name = f'{args.x}_{name}'
    return f'work_dirs/{args.command}/{name}.png'


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    if args.command == 'curves':
        figure = draw_curves(
            dict(zip(names_of(args.runs), map(read_curves, args.runs))),
            chance_of(args.runs),
        )
    elif args.command == 'confusion':
        cfg = read_config(args.config, read_options(args.cfg_options))
        counts, names = confusion(cfg, args.checkpoint, args.device)
        # Pretraining classifies each clip, a test of actions each video.
        unit = 'clips' if cfg.model.cls_head.type == 'MoSIHead' else 'videos'
        print(
            f'top-1: {np.trace(counts) / counts.sum():.4f} of '
            f'{counts.sum()} {unit}'
        )
        figure = draw_confusion(counts, names, unit)
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
    out = Path(args.out or default_out(args))
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)
    print(f'wrote {out}')


if __name__ == '__main__':
    main()
