"""Build a runner from the arguments of train.py and test.py."""

import argparse
import difflib
import inspect
import os
import os.path as osp
from typing import Any

from mmaction.registry import RUNNERS
from mmengine.config import Config
from mmengine.runner import Runner

from ..compat.distributed import cpu_distributed
from ..config.lookup import find_config
from ..config.running import fast_recipe, use_amp
from ..datasets.bad_files import innermost
from .arguments import read_options
from .summary import ToolRunner


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


#: Top-level keys that MMEngine reads besides the arguments of its Runner.
_RUNNER_KEYS = (
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'strategy',
    'sync_bn',
)


def check_options(cfg: Config, options: dict[str, Any]) -> None:
    """Stop if an option would silently change nothing.

    Args:
        cfg: The config.
        options: Options of ``--cfg-options``.

    Raises:
        ValueError: If a top-level key is a variable of the config file, which
            has already been used, or resembles an existing key.
    """
    read = {*inspect.signature(Runner.__init__).parameters, *_RUNNER_KEYS}
    known = read | set(cfg.keys())
    for key in options:
        first = key.partition('.')[0]
        if first in read:
            continue
        near = difflib.get_close_matches(first, sorted(known), 3)
        if first not in known and near:
            raise ValueError(
                f'--cfg-options {key}: the config has no {first!r}; did you '
                f'mean {" or ".join(near)}?'
            )
        if first in known and not isinstance(cfg[first], dict):
            raise ValueError(
                f'--cfg-options {key}: {first!r} is a variable of the config '
                'file, which has been read already, so this would change '
                'nothing; set what it was used for, such as '
                f'{_used_for(cfg, first) or "train_cfg.max_epochs"}'
            )


def _used_for(cfg: Config, name: str) -> str:
    """Return the keys that hold the value of a variable, as far as seen."""
    value, found = cfg[name], []

    def look(node: Any, path: str) -> None:
        if path and node == value and type(node) is type(value):
            found.append(path)
        elif isinstance(node, dict):
            for key, child in node.items():
                look(child, f'{path}.{key}' if path else key)

    for key in cfg:
        if key != name and isinstance(cfg[key], dict):
            look(cfg[key], key)
    return ' and '.join(found[:3])


def load_config(args: argparse.Namespace) -> Config:
    """Read the config and apply the common arguments to it.

    Args:
        args: With ``config``, a file or the name of a packaged config, and
            what ``add_common_arguments`` adds.

    Returns:
        The config. Flags override ``--cfg-options``.

    Raises:
        FileNotFoundError: If the config is neither a file nor packaged.
        ValueError: If ``--amp`` or ``--fast`` does not fit the config, or
            an option would have no effect.
    """
    # mmengine reads the rank from there with every launcher.
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    path = find_config(args.config)
    cfg = Config.fromfile(path)
    options = read_options(args.cfg_options)
    check_options(cfg, options)
    cfg.merge_from_dict(options)
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


def check_held_out(runner: Runner) -> None:
    """Stop early if validation would stop at a file that is not there.

    Only what costs no reading is looked at: whether local files exist and
    are not empty.

    Raises:
        ValueError: If a file is missing or empty where such files are not
            skipped.
    """
    if runner.val_loop is None:
        return
    for dataset in innermost(runner.val_loop.dataloader.dataset):
        bad: list[str] = getattr(dataset, 'missing_files', list)()
        if bad:
            shown = ''.join(f'\n  {path}' for path in bad[:20])
            more = f'\n  ... and {len(bad) - 20} more' if bad[20:] else ''
            what = 'Remove or repair them'
            if len(bad) > len(dataset) / 2:
                what = f'Is the directory right? {dataset.directory()}'
            raise ValueError(
                f'{len(bad)} of {len(dataset)} files for validation are '
                'missing or empty, so the run would stop at its first '
                f'validation. {what}:{shown}{more}'
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
    return (
        RUNNERS.build(cfg)
        if 'runner_type' in cfg
        else ToolRunner.from_cfg(cfg)
    )
