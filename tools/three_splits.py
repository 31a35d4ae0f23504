"""Fine-tune and test on all splits of a dataset: mean and deviation.

    python tools/three_splits.py configs/finetune_r2p1d_hmdb.py \
        --init 'work_dirs/mosi_r2p1d_hmdb_split{split}/epoch_100.pth'

The config is one for split 1: `split_1` in the names of its lists becomes
`split_2` and `split_3`. Each split is trained and then tested as the config
says, with 10 clips per video in our configs. Finished runs are kept and killed
ones resumed: start the same command again.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from mosi_mmaction.cli.arguments import (
    add_launcher_arguments,
    add_network_arguments,
    read_options,
)
from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser, checkpoint=False, device=False)
    parser.add_argument(
        '--init',
        metavar='CHECKPOINT',
        help='checkpoint to start from, with {split} for the number of the '
        "split; 'none' trains from scratch (default: the config's load_from)",
    )
    parser.add_argument('--splits', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument(
        '--epochs', type=int, help="number of epochs (default: the config's)"
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--work-dir',
        type=Path,
        help='directory of all runs '
        '(default: work_dirs/<name of the config>_splits)',
    )
    parser.add_argument(
        '--jobs', type=int, default=1, help='number of simultaneous runs'
    )
    add_launcher_arguments(parser)
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

from mmengine.config import Config

from mosi_mmaction.cli.runs import check_file
from mosi_mmaction.config.lookup import find_config
from mosi_mmaction.reproduction.run_commands import make_launch
from mosi_mmaction.reproduction.run_scheduler import execute
from mosi_mmaction.reproduction.runs import Run

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def declare(
    config: str,
    splits: list[int],
    init: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    options: dict | None = None,
) -> list[Run]:
    """Declare a run for every split.

    Args:
        config: Path of a fine-tuning config of split 1.
        splits: Numbers of the splits.
        init: Checkpoint to start from, with ``{split}`` replaced by the
            number; ``'none'`` trains from scratch; None keeps the config's.
        epochs: Number of epochs; None keeps the config's.
        seed: Seed of all runs.
        options: Dotted keys of the config and their values.

    Returns:
        Runs that end with a test.

    Raises:
        ValueError: If no list is named after split 1.
        FileNotFoundError: If a checkpoint or a list does not exist.
    """
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(options or {})
    lists = {
        f'{loader}.dataset.ann_file': cfg[loader].dataset.get('ann_file', '')
        for loader in LOADERS
    }
    for key, path in lists.items():
        if 'split_1' not in os.path.basename(path):
            raise ValueError(
                f'{config}: {key}={path!r} is not named after split 1, as '
                'in hmdb51_train_split_1_videos.txt'
            )
    runs = []
    for split in splits:
        chosen = dict(options or {})
        for key, path in lists.items():
            folder, name = os.path.split(path)
            chosen[key] = os.path.join(
                folder, name.replace('split_1', f'split_{split}')
            )
            if not os.path.isfile(chosen[key]):
                raise FileNotFoundError(
                    f'{key}: there is no list {chosen[key]!r}; '
                    'tools/data/prepare.py writes those of all splits'
                )
        start = cfg.get('load_from') if init is None else init
        chosen['load_from'] = None
        if start and start != 'none':
            chosen['load_from'] = start.replace('{split}', str(split))
            check_file(chosen['load_from'], '--init')
        runs.append(
            Run(
                f'split_{split}',
                config,
                epochs,
                seed,
                options=chosen,
                test=True,
            )
        )
    return runs


def summarize(results: dict[str, dict]) -> dict[str, dict]:
    """Return mean and standard deviation of every metric.

    Args:
        results: Results of ``schedule.execute``.

    Returns:
        Metric to ``values`` in the order of the runs, ``mean``, and ``sd``,
        the sample standard deviation (n - 1), 0 for one value.
    """
    finals = [result['final'] for result in results.values()]
    table = {}
    for key in finals[0]:
        values = [final[key] for final in finals]
        sd = statistics.stdev(values) if len(values) > 1 else 0.0
        table[key] = dict(values=values, mean=statistics.mean(values), sd=sd)
    return table


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    config = find_config(args.config)
    root = args.work_dir or Path('work_dirs') / f'{Path(config).stem}_splits'
    runs = declare(
        config,
        args.splits,
        args.init,
        args.epochs,
        args.seed,
        read_options(args.cfg_options),
    )
    launch = make_launch(args.launcher, args.gpus, args.partition)
    table = summarize(execute(runs, root, args.jobs, launch=launch))
    (root / 'splits.json').write_text(
        json.dumps(dict(splits=args.splits, metrics=table), indent=1)
    )
    for key, row in table.items():
        values = ' '.join(f'{100 * v:.1f}' for v in row['values'])
        print(
            f'{key}: {100 * row["mean"]:.1f} ± {100 * row["sd"]:.1f} % '
            f'({values})'
        )


if __name__ == '__main__':
    main()
