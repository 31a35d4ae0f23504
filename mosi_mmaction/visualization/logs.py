"""Read the logs of runs: curves, last accuracies, settings."""

import inspect
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..apis.networks import read_config, training_pipeline
from ..files import read_json_lines
from ..method.motion import LabelPool

Curves = dict[str, tuple[list, list]]

#: Path of LocalVisBackend's files below a work dir.
SCALARS = '**/vis_data/scalars.json'


def scalar_files(run: str) -> list[Path]:
    """Return the scalars.json files of a run, one per start, in order.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(run)
    files = [path] if path.is_file() else sorted(path.glob(SCALARS))
    if not files:
        raise FileNotFoundError(
            f'{run}: no vis_data/scalars.json below it; use the work_dir of '
            'a run whose vis_backends include a LocalVisBackend'
        )
    return files


def read_curves(run: str) -> Curves:
    """Read all scalars of a run, resumed ones included.

    Returns:
        Name to (epochs, values); training values have fractions of epochs.
        Values that a resumed run logged again replace earlier ones.
    """
    points: dict[str, dict[float, float]] = {}
    per_epoch = 0.0
    for file in scalar_files(run):
        for entry in read_json_lines(file):
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


def names_of(runs: Sequence[str]) -> list[str]:
    """Return a name for each run: the end of its path that no other has."""
    paths = [Path(run).resolve().parts for run in dict.fromkeys(runs)]
    names = {}
    for run, parts in zip(dict.fromkeys(runs), paths):
        count = next(
            n
            for n in range(1, len(parts) + 1)
            if n == len(parts)
            or sum(other[-n:] == parts[-n:] for other in paths) == 1
        )
        names[run] = '/'.join(parts[-count:])
    return [names[run] for run in runs]


def setting_of(run: str, name: str) -> tuple[float, str]:
    """Read a setting from the config that a run has written.

    Returns:
        The value to sort by, and its name.

    Raises:
        FileNotFoundError: If the run has no config.
    """
    file = scalar_files(run)[-1].with_name('config.py')
    if not file.is_file():
        raise FileNotFoundError(f'{file}: the config of the run is missing')
    cfg = read_config(str(file))
    if name == 'frozen_stages':
        value = cfg.model.backbone.get('frozen_stages', -1)
        return value, 'none' if value < 0 else str(value)
    ratio = next(
        (
            s.get('side_ratio', (0.3, 0.5))
            for s in training_pipeline(cfg)
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


def chance_of(runs: Sequence[str]) -> float | None:
    """Return the accuracy by chance of runs, from the configs they wrote.

    None if a config is missing or not of a classifier, or if they differ.
    """
    found: set[int | None] = set()
    for run in runs:
        file = scalar_files(run)[-1].with_name('config.py')
        if not file.is_file():
            return None
        head = read_config(str(file)).model.get('cls_head') or {}
        if head.get('type') == 'MoSIHead':
            arguments = inspect.signature(LabelPool).parameters
            pool = {k: v for k, v in head.items() if k in arguments}
            found.add(len(LabelPool(**pool)))
        else:
            found.add(head.get('num_classes'))
    count = found.pop() if len(found) == 1 else None
    return 1 / count if count else None


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
            print(f'{run}: not a training run, ignored')
            continue
        name, value = last_accuracy(run, key)
        names.add(name)
        rows.setdefault(setting_of(run, x), []).append(value)
    if not names:
        raise ValueError(f'no training run in {list(runs)}')
    if len(names) > 1:
        raise ValueError(
            f'the runs have different accuracies, '
            f'{sorted(names)}: choose one with --key'
        )
    return names.pop(), [
        (setting[1], np.array(rows[setting])) for setting in sorted(rows)
    ]
