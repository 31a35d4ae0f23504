"""The commands of a run, on this machine or through a launcher."""

import sys
from collections.abc import Callable
from pathlib import Path

from .runs import Run

# In a clone these are links, and a run then uses the files of the clone.
TOOLS = (Path(__file__).resolve().parents[1] / '.mim' / 'tools').resolve()

#: Makes a command of (tool: 'train' or 'test', its files, its options).
Launch = Callable[[str, list[str], list[str]], list[str]]


def local_launch(tool: str, files: list[str], options: list[str]) -> list[str]:
    """Return the command of one process on this machine."""
    return [
        sys.executable,
        '-W',
        'ignore',
        str(TOOLS / f'{tool}.py'),
        *files,
        *options,
    ]


def make_launch(
    launcher: str, gpus: int = 1, partition: str | None = None
) -> Launch:
    """Return the function that makes commands.

    Args:
        launcher: Launcher, ``'none'``, ``'pytorch'`` or ``'slurm'``.
        gpus: Number of processes of a run; for ``'slurm'``, through $GPUS.
        partition: Partition of Slurm.

    Raises:
        ValueError: If Slurm has no partition.
    """
    if launcher == 'none':
        return local_launch
    if launcher == 'slurm' and not partition:
        raise ValueError('--launcher slurm needs --partition')

    def launch(tool, files, options):
        if launcher == 'pytorch':
            return [
                'bash',
                str(TOOLS / f'dist_{tool}.sh'),
                *files,
                str(gpus),
                *options,
            ]
        job = Path(files[0]).parent.name
        return [
            'env',
            f'GPUS={gpus}',
            'bash',
            str(TOOLS / f'slurm_{tool}.sh'),
            partition,
            job,
            *files,
            *options,
        ]

    return launch


def commands(
    run: Run, root: Path, epochs: int, launch: Launch = local_launch
) -> list[list[str]]:
    """Return the commands of a run: training, and test if it has one.

    Args:
        run: The run; its ``config.py`` is written when it starts.
        root: Directory of all runs.
        epochs: Number of epochs.
        launch: Function that makes commands.
    """
    folder = root / run.name
    train = launch(
        'train',
        [str(folder / 'config.py')],
        ['--work-dir', str(folder), '--resume'],
    )
    test = launch(
        'test',
        [str(folder / 'test_config.py'), str(folder / f'epoch_{epochs}.pth')],
        ['--work-dir', str(folder / 'test')],
    )
    return [train, test]
