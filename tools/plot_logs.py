#!/usr/bin/env python
"""Draw curves and tables out of the logs of runs.

    python tools/plot_logs.py curves RUN...
    python tools/plot_logs.py confusion CONFIG CHECKPOINT
    python tools/plot_logs.py versus RUN... --x mask_size|frozen_stages

RUN is the work dir of a run. `curves`: loss and accuracies over the epochs,
the pretext accuracy by direction and by speed too. `versus`: a table and a
plot of each run's last accuracy against a setting of its config, mean and
standard deviation where runs (seeds) agree in it (paper Fig. 6, Fig. 7).
`confusion`: what a pretext network takes each label for, on its test set.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from mosi_mmaction.cli.arguments import add_config_options, read_options
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
            command.add_argument('config', help='pretraining config')
            command.add_argument('checkpoint', help='checkpoint file')
            command.add_argument('--device', default='cpu')
            add_config_options(command)
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
                help='the accuracy, such as '
                'acc/top1; default: the only .../top1',
            )
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

# First, as it says what to install where matplotlib is missing.
import mosi_mmaction.visualization  # noqa: F401  isort: skip

import numpy as np
from matplotlib import pyplot as plt
from mmengine.config import Config
from mmengine.runner import Runner

from mosi_mmaction.apis.networks import build_network, read_config

Curves = dict[str, tuple[list, list]]

#: Where LocalVisBackend writes below a work dir.
SCALARS = '**/vis_data/scalars.json'


def scalar_files(run: str) -> list[Path]:
    """Return a run's scalars.json files, one for each start, in order.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(run)
    files = [path] if path.is_file() else sorted(path.glob(SCALARS))
    if not files:
        raise FileNotFoundError(
            f'{run}: no vis_data/scalars.json below it; give the work_dir of '
            'a run whose vis_backends hold a LocalVisBackend'
        )
    return files


def read_curves(run: str) -> Curves:
    """Read all scalars of a run, resumed ones included.

    Returns:
        Name to (epochs, values); training values have fractions of epochs.
        What a resumed run did again replaces what was there.
    """
    points: dict[str, dict[float, float]] = {}
    per_epoch = 0.0
    for file in scalar_files(run):
        for line in file.read_text(encoding='utf-8').splitlines():
            entry = json.loads(line)
            if 'iter' in entry:
                # The last line of an epoch has its number of iterations; a
                # run that does not count epochs is drawn in iterations.
                per_epoch = max(
                    per_epoch, entry['iter'] / entry.get('epoch', np.inf)
                )
                x = entry['iter']
            elif 'step' in entry:
                x = -entry['step']  # of a validation, in epochs
            else:
                continue
            for name, value in entry.items():
                if isinstance(value, (int, float)) and name not in (
                    'epoch',
                    'iter',
                    'step',
                    'time',
                    'data_time',
                ):
                    points.setdefault(name, {})[x] = value
    curves = {}
    for name, values in points.items():
        pairs = sorted(
            (-x if x < 0 else x / (per_epoch or 1), y)
            for x, y in values.items()
        )
        curves[name] = ([x for x, _ in pairs], [y for _, y in pairs])
    return curves


def panels_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Sort curves into the panels they are drawn in."""
    short = {name: name.split('/')[-1] for name in names}
    panels = {
        'loss': ['loss'],
        # The last is on top: with as many samples of each class mean1 is
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


def draw_curves(runs: dict[str, Curves]):
    """Draw the curves of all runs, a panel for each kind.

    Raises:
        ValueError: If the runs have neither losses nor accuracies.
    """
    panels = panels_of(
        list(
            dict.fromkeys(name for curves in runs.values() for name in curves)
        )
    )
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
                label = f'{run}: {kind}' if len(runs) > 1 else kind
                ax.plot(
                    *curves[name],
                    styles[i % 4],
                    color=f'C{k}',
                    label=label,
                    marker='.' if '/' in name else None,
                )
        ax.set(title=title, xlabel='epoch')
        if title != 'loss':
            ax.set_ylim(0, 1.02)
        ax.grid(alpha=0.3)
        # Below, as the curves fill the panel.
        ax.legend(
            fontsize=9,
            loc='upper center',
            ncols=2,
            bbox_to_anchor=(0.5, -0.14),
        )
    return figure


def confusion(
    cfg: Config, checkpoint: str, device: str = 'cpu'
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Count what a pretext network takes the labels of its test set for.

    Returns:
        Counts (C, C), a row for each true label; the labels' names.

    Raises:
        ValueError: If the config does not pretrain.
    """
    if cfg.model.cls_head.type != 'MoSIHead':
        raise ValueError(
            f'{cfg.filename}: has no MoSIHead; the confusion '
            'matrix is of pretraining'
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


def draw_confusion(counts: np.ndarray, names: Sequence[str]):
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
            )
    return figure


def setting_of(run: str, name: str) -> tuple[float, str]:
    """Read a setting off the config that a run has written.

    Returns:
        The value to sort by, and its name.

    Raises:
        FileNotFoundError: If the run has left no config.
    """
    file = scalar_files(run)[-1].with_name('config.py')
    if not file.is_file():
        raise FileNotFoundError(f'{file}: the config of the run is missing')
    cfg = Config.fromfile(file)
    if name == 'frozen_stages':
        value = cfg.model.backbone.get('frozen_stages', -1)
        return value, 'none' if value < 0 else str(value)
    dataset = cfg.train_dataloader.dataset
    ratio = next(
        (
            s.get('side_ratio', (0.3, 0.5))
            for s in dataset.pipeline
            if s['type'] == 'DrawStaticMask'
        ),
        None,
    )
    if ratio is None:
        return 2.0, 'no mask'
    low, high = (ratio, ratio) if np.ndim(ratio) == 0 else ratio
    if low == high:
        return low, f'{low:g}'
    return (low + high) / 2, f'{low:g} to {high:g}'


def last_accuracy(run: str, key: str | None) -> tuple[str, float]:
    """Return name and last value of a run's validation accuracy.

    Raises:
        ValueError: If the run has none.
    """
    curves = read_curves(run)
    wanted = [key] if key else [n for n in curves if n.endswith('/top1')]
    for name in wanted:
        if name in curves:
            return name, curves[name][1][-1]
    raise ValueError(
        f'{run}: no {key or ".../top1"} in its log; there are {sorted(curves)}'
    )


def tabulate(
    runs: Sequence[str], x: str, key: str | None
) -> tuple[str, list[tuple[str, np.ndarray]]]:
    """Collect the accuracies of runs by a setting, in its order.

    Returns:
        The accuracy's name; setting and accuracies of each of its values.

    Raises:
        ValueError: If runs have different kinds of accuracy, or there is
            none.
    """
    rows: dict[tuple[float, str], list[float]] = {}
    names = set()
    for run in runs:
        if (
            Path(run).is_dir()
            and not list(Path(run).glob(SCALARS))
            or Path(run).suffix not in ('', '.json')
        ):
            print(f'{run}: no run of a training, left out')
            continue
        name, value = last_accuracy(run, key)
        names.add(name)
        rows.setdefault(setting_of(run, x), []).append(value)
    if not names:
        raise ValueError(f'no run of a training in {list(runs)}')
    if len(names) > 1:
        raise ValueError(
            f'the runs have different accuracies, '
            f'{sorted(names)}: choose one by --key'
        )
    return names.pop(), [
        (setting[1], np.array(rows[setting])) for setting in sorted(rows)
    ]


def draw_versus(name: str, rows: list, x: str):
    """Draw accuracies against a setting, a point for each of its values."""
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
