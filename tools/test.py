"""Test a checkpoint.

    python tools/test.py CONFIG CHECKPOINT [--dump FILE.pkl] ...

CONFIG is a file, or the name of a config of this package. The flags are those
of MMAction2's tool of the same name. The config of the test is written to the
work dir as test_<name of the config>.py.
"""

import argparse
import copy
from pathlib import Path

from mosi_mmaction.cli.arguments import (
    add_common_arguments,
    add_network_arguments,
)
from mosi_mmaction.cli.start import start


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description='Test a checkpoint')
    add_network_arguments(parser, device=False)
    add_common_arguments(parser)
    parser.add_argument(
        '--dump',
        metavar='FILE.pkl',
        help='file to write all predictions to, for offline evaluation',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='directory to write animations (GIF) of clips with labels and '
        'predictions to',
    )
    parser.add_argument(
        '--show',
        action='store_true',
        help='show clips with predictions in a window',
    )
    parser.add_argument(
        '--interval',
        type=int,
        default=1,
        help='write or show only every n-th sample',
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        help='time for which a window is shown, in seconds',
    )
    return parser.parse_args()


if __name__ == '__main__':
    start(parse_args)

from mmengine.config import Config

from mosi_mmaction.apis.networks import class_names
from mosi_mmaction.cli.runs import (
    build_runner,
    check_file,
    load_config,
)
from mosi_mmaction.compat.distributed import end_rank
from mosi_mmaction.config.walk import walk


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Apply the flags of testing to the config, in place.

    Raises:
        ValueError: If a flag does not fit, or the config tests nothing.
    """
    if cfg.get('test_evaluator') is None:
        raise ValueError(
            f'{args.config}: the config has no test_evaluator, so there is '
            'nothing to test'
        )
    # mmengine loads whatever weights fit and continues. The check in training
    # covers only the backbone; a test needs every weight.
    cfg.default_hooks = {
        **(cfg.get('default_hooks') or {}),
        'loaded': {'type': 'CheckLoadedHook', 'source': 'CHECKPOINT'},
    }
    cfg.resume, cfg.load_from = False, args.checkpoint
    # Skipping bad files, as training does, would falsify test results.
    for dataset in walk(cfg.get('test_dataloader') or {}):
        if 'bad_files' in dataset:
            dataset['bad_files'] = 'raise'
    if args.dump is not None:
        if not args.dump.endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'--dump {args.dump}: predictions are written as a pickle, '
                'so the name must end with .pkl'
            )
        evaluators = cfg.test_evaluator
        if not isinstance(evaluators, (list, tuple)):
            evaluators = [evaluators]
        dump = {'type': 'DumpResults', 'out_file_path': args.dump}
        cfg.test_evaluator = [*evaluators, dump]


def rename(cfg: Config) -> Config:
    """Return the config under a name that no training run has.

    The runner writes its config to the work dir, by default that of the
    training run, under the name of its file: the training run has left its
    own config there, with another ``load_from``.
    """
    renamed = copy.copy(cfg)
    vars(renamed)['_filename'] = f'test_{Path(cfg.filename).stem}.py'
    return renamed


def main() -> None:
    """Run the tool."""
    args = parse_args()
    check_file(args.checkpoint, 'CHECKPOINT')
    cfg = load_config(args)
    merge_args(cfg, args)
    runner = build_runner(rename(cfg))
    if args.show or args.show_dir is not None:
        # It needs matplotlib, which tests do not.
        from mosi_mmaction.visualization.tested_clips import TestedClipsHook

        runner.register_hook(
            TestedClipsHook(
                args.show_dir,
                args.show,
                args.interval,
                args.wait_time,
                class_names(cfg),
            )
        )
    runner.test()


if __name__ == '__main__':
    main()
    end_rank()
