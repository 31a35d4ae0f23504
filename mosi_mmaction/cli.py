"""Arguments and checks that the command-line tools share."""

import argparse
import os
import os.path as osp
from typing import Any

from mmaction.registry import RUNNERS
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from .compat.distributed import cpu_distributed
from .config.lookup import find_config
from .config.running import fast_recipe, use_amp


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that train.py and test.py share."""
    parser.add_argument(
        '--work-dir',
        help='directory for logs and checkpoints (default: work_dir of the '
        'config, or ./work_dirs/<name of the config>)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that override the config, such as '
        'train_dataloader.batch_size=4; lists as key="[a,b]"; blanks in '
        'values are lost',
    )
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16 on a GPU, bfloat16 on a CPU that '
        'has it',
    )
    precision.add_argument(
        '--fast',
        action='store_true',
        help='the fast recipe: bfloat16 where the device has it, '
        'channels_last_3d, folded convolutions on CPUs',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='launcher that started the processes of a distributed run',
    )
    # Older versions of torch.distributed.launch pass it.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def check_file(path: str, name: str) -> None:
    """Stop early if a checkpoint does not exist.

    Args:
        path: Local file, or anything with ``://``, which is not checked.
        name: Name of the argument, for the message.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    if '://' not in path and not osp.isfile(osp.expanduser(path)):
        raise FileNotFoundError(
            f'{name}: there is no file {path!r}; checkpoints are written to '
            'the work_dir of a run, such as work_dirs/NAME/epoch_10.pth'
        )


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the common arguments to it.

    Args:
        args: Parsed arguments: ``config``, a file or the name of a packaged
            config, and those of :func:`add_common_arguments`.

    Returns:
        The config. Flags override ``--cfg-options``.

    Raises:
        FileNotFoundError: If the config is neither a file nor packaged.
        ValueError: If ``--amp`` or ``--fast`` does not fit the config.
    """
    # mmengine reads the rank from there with every launcher.
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    path = find_config(args.config)
    cfg = Config.fromfile(path)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        stem = osp.splitext(osp.basename(path))[0]
        cfg.work_dir = osp.join('./work_dirs', stem)
    # Not in the configs: MMAction2's own tools use their --seed only if the
    # config has none.
    cfg.randomness = {'seed': 0, **(cfg.get('randomness') or {})}
    if args.amp:
        use_amp(cfg)
    if args.fast:
        fast_recipe(cfg)
    return cfg


def check_steps(runner: Runner) -> None:
    """Stop early if there is not a single batch to train on.

    Raises:
        ValueError: If the run would have no training step.
    """
    loop = runner.train_loop
    loader = getattr(loop, 'dataloader', None)
    # A single epoch may have none, see RoundBatchSampler.
    if loader is not None and not loop.max_iters:
        raise ValueError(
            f'train_dataloader: its {len(loader.dataset)} samples are fewer '
            f'than batch_size={loader.batch_size}, and drop_last drops '
            'incomplete batches. Use more data, or --cfg-options '
            'train_dataloader.batch_size=... with a batch_size no larger '
            'than that'
        )


def build_runner(cfg: Config) -> Any:
    """Join the other processes, if any, and build the config's runner.

    Raises:
        FileNotFoundError: If there is no file ``load_from``.
    """
    cpu_distributed(cfg, cfg.launcher)
    if (cfg.get('randomness') or {}).get('deterministic'):
        # Before CUDA starts: cuBLAS reads it only once.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        cfg.setdefault('default_hooks', {})['deterministic'] = dict(
            type='DeterministicHook'
        )
    if cfg.get('load_from') and not cfg.get('resume'):
        check_file(
            cfg.load_from,
            'load_from (which the configs read from the '
            'environment variable MOSI_PRETRAINED)',
        )
    return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
