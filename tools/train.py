"""Train a network: pretraining on images or fine-tuning on videos.

    python tools/train.py CONFIG [--work-dir DIR] [--resume [PATH]] ...

CONFIG is a file, or the name of a config of this package. The flags are those
of MMAction2's tool of the same name.
"""

import argparse

from mosi_mmaction.cli.arguments import (
    add_common_arguments,
    add_network_arguments,
)
from mosi_mmaction.cli.commands import same_command
from mosi_mmaction.cli.errors import when_interrupted
from mosi_mmaction.cli.start import start


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description='Train a network')
    add_network_arguments(parser, checkpoint=False, device=False)
    add_common_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='continue from this checkpoint; without PATH, from the latest '
        'one of the work dir, if there is one',
    )
    parser.add_argument(
        '--render',
        choices=['auto', 'device', 'worker'],
        default='auto',
        help='where the clips of pretraining are rendered (default: on the '
        'device if it is a GPU, otherwise in the workers)',
    )
    parser.add_argument(
        '--no-validate', action='store_true', help='skip validation'
    )
    parser.add_argument(
        '--epochs',
        type=int,
        metavar='N',
        help='train for N epochs; the learning-rate schedule is fitted to '
        'them, without its warm-up if that is as long',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the ratio of the actual total '
        'batch size to auto_scale_lr.base_batch_size',
    )
    parser.add_argument('--seed', type=int, help='random seed')
    parser.add_argument(
        '--diff-rank-seed',
        action='store_true',
        help='give every process its own seed',
    )
    parser.add_argument(
        '--deterministic',
        action='store_true',
        help='use only deterministic algorithms; on a GPU the run is slower, '
        'and an operation without one is an error',
    )
    return parser.parse_args()


if __name__ == '__main__':
    start(parse_args)

from mmengine.config import Config
from mmengine.logging import print_log

from mosi_mmaction.checkpoints.resume import find_resume
from mosi_mmaction.cli.runs import (
    build_runner,
    check_file,
    check_held_out,
    load_config,
)
from mosi_mmaction.cli.summary import conclude, summarize
from mosi_mmaction.compat.distributed import end_rank
from mosi_mmaction.config.running import choose_rendering, fit_epochs
from mosi_mmaction.engine.hooks import StepTimeHook
from mosi_mmaction.engine.hooks.check_labels import check_steps


def merge_args(cfg: Config, args: argparse.Namespace) -> list[str]:
    """Apply the flags of training to the config, in place.

    Returns:
        Errors for the log: checkpoints that cannot be resumed from.

    Raises:
        ValueError: If a flag does not fit the config.
    """
    broken: list[str] = []
    if args.epochs is not None:
        fit_epochs(cfg, args.epochs)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise ValueError(
                '--auto-scale-lr: the config has no '
                'auto_scale_lr.base_batch_size; set it to the total batch '
                'size that the learning rate was chosen for'
            )
        cfg.auto_scale_lr.enable = True
    randomness = dict(cfg.randomness)
    if args.seed is not None:
        randomness['seed'] = args.seed
    for flag in ('diff_rank_seed', 'deterministic'):
        if getattr(args, flag):
            randomness[flag] = True
    cfg.randomness = randomness
    if args.resume == 'auto':
        # mmengine ignores load_from if resume is set, but a job that is
        # always started with --resume needs it the first time.
        names = _checkpoint_names(cfg)
        latest = find_resume(cfg.work_dir, names, broken.append)
        cfg.resume = latest is not None
        if cfg.resume:
            cfg.load_from = latest
    elif args.resume is not None:
        cfg.resume, cfg.load_from = True, args.resume
    if cfg.get('resume'):
        cfg.default_hooks = {
            **(cfg.get('default_hooks') or {}),
            'schedule': {'type': 'FollowScheduleHook'},
        }
    return broken


def describe_interruption(
    work_dir: str, filename_tmpl: str = 'epoch_{}.pth'
) -> str:
    """Return the message for a training run stopped by Ctrl-C."""
    path = find_resume(work_dir, filename_tmpl)
    if path is None:
        return (
            f'Interrupted before the first checkpoint of {work_dir}: nothing '
            'was saved.'
        )
    return (
        f'Interrupted. The work is safe up to {path}; to continue from it:\n'
        f'    {same_command("--resume")}'
    )


def _checkpoint_names(cfg: Config) -> str:
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    unit = 'epoch' if hook.get('by_epoch', True) else 'iter'
    return hook.get('filename_tmpl') or f'{unit}_{{}}.pth'


def _earlier_run(cfg: Config) -> str | None:
    """Return the newest checkpoint of another run in the work dir."""
    return find_resume(cfg.work_dir, _checkpoint_names(cfg), lambda text: None)


def main() -> None:
    """Run the tool."""
    args = parse_args()
    if args.resume not in (None, 'auto'):
        check_file(args.resume, '--resume')
    cfg = load_config(args)
    broken = merge_args(cfg, args)
    rendering = choose_rendering(cfg, args.render)
    runner = build_runner(cfg)
    if rendering:
        print_log(rendering, 'current')
    # Now that the logger knows the rank, these are logged once.
    for text in broken:
        runner.logger.error(text)
    if args.resume == 'auto' and not cfg.resume:
        runner.logger.warning(
            f'--resume: {cfg.work_dir} had no checkpoint, so the run '
            f'started from {cfg.get("load_from") or "random weights"}'
        )
    if args.resume is None and (old := _earlier_run(cfg)):
        runner.logger.warning(
            f'{old} is of an earlier run in the same work dir, whose '
            'checkpoints this run replaces one by one: --resume continues '
            'that run, another --work-dir keeps both'
        )
    check_steps(runner.train_loop)
    check_held_out(runner)
    runner.logger.info(summarize(runner))
    steps = StepTimeHook()
    runner.register_hook(steps)
    when_interrupted(
        lambda: describe_interruption(cfg.work_dir, _checkpoint_names(cfg))
    )
    runner.train()
    runner.logger.info(conclude(runner, steps.taken > 0))


if __name__ == '__main__':
    main()
    end_rank()
