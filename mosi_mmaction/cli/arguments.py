"""Arguments that several tools share, parsed without MMEngine."""

import argparse
from collections.abc import Sequence
from typing import Any


class _ConfigOptions(argparse.Action):
    """Keep ``KEY=VALUE`` as text; :func:`read_options` reads the values."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        for pair in values:
            key, equals, _ = pair.partition('=')
            if not key.strip() or not equals:
                parser.error(
                    f'{option_string} {pair}: write KEY=VALUE, such as '
                    'train_dataloader.batch_size=4'
                )
        before = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*before, *values])


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_ConfigOptions,
        metavar='KEY=VALUE',
        help='settings that override the config, such as '
        'train_dataloader.batch_size=4; lists as key="[a,b]"; blanks in '
        'values are lost',
    )


def add_network_arguments(
    parser: argparse.ArgumentParser,
    checkpoint: bool = True,
    device: bool = True,
) -> None:
    """Add what names a network: CONFIG, CHECKPOINT, where it runs.

    ``--cfg-options`` comes with CONFIG.

    Args:
        parser: The parser; these are its first positional arguments.
        checkpoint: Whether to add CHECKPOINT.
        device: Whether to add ``--device``.
    """
    parser.add_argument(
        'config', help='config file, or name of a config of mosi_mmaction'
    )
    if checkpoint:
        parser.add_argument('checkpoint', help='checkpoint file')
    if device:
        add_device_argument(parser)
    add_config_options(parser)


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument(
        '--device', default='cpu', help='such as cuda (default: cpu)'
    )


def add_data_root_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-root``: where listed videos are."""
    parser.add_argument(
        '--data-root',
        default='',
        metavar='DIR',
        help='directory that list files are relative to',
    )


def add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where listed videos are, and how clips are cut from them."""
    add_data_root_argument(parser)
    parser.add_argument(
        '--height',
        type=int,
        help='height of the clips in pixels (default: 96, or '
        'the side of the training clips if that is larger)',
    )
    parser.add_argument(
        '--interval',
        type=int,
        help="distance between frames of a clip (default: the config's, or 2)",
    )


def add_launcher_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how a tool that starts runs starts each of them."""
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='launcher of a run',
    )
    parser.add_argument(
        '--gpus',
        type=int,
        default=8,
        help='number of processes of a run, with a launcher',
    )
    parser.add_argument('--partition', help='of Slurm')


def read_options(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Return keys and values of ``--cfg-options``, as MMEngine reads them.

    Args:
        pairs: Texts ``KEY=VALUE``, or None.
    """
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(prefix_chars='\0')
    parser.add_argument('options', nargs='*', action=DictAction)
    return parser.parse_args(list(pairs or [])).options or {}


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that train.py and test.py share."""
    parser.add_argument(
        '--work-dir',
        help='directory for logs and checkpoints (default: work_dir of the '
        'config, or ./work_dirs/<name of the config>)',
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
