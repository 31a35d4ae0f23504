"""Time cases in turn, and report each as a JSON line."""

import json
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, TypeVar

from tqdm import tqdm

#: What a case is called.
Name = TypeVar('Name', bound=Hashable)


def report(bench: str, case: str, **values: Any) -> None:
    """Print one case as a JSON line."""
    values = {
        k: float(f'{v:.4g}') if isinstance(v, float) else v
        for k, v in values.items()
    }
    print(json.dumps(dict(bench=bench, case=case, **values)), flush=True)


def take_turns(
    cases: Mapping[Name, Callable[[], Any]],
    repeats: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[Name, float]:
    """Time cases in turn, after one round of warm-up.

    Args:
        cases: Functions without arguments, by name.
        repeats: Number of rounds that count.
        clock: Function that returns seconds.

    Returns:
        Median time of every case in seconds.
    """
    return medians(
        {name: partial(seconds, run, clock) for name, run in cases.items()},
        repeats,
    )


def seconds(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Return the duration of a function call."""
    start = clock()
    run()
    return clock() - start


def medians(
    cases: Mapping[Name, Callable[[], float]], repeats: int
) -> dict[Name, float]:
    """Like :func:`take_turns`, with functions that return their seconds."""
    times: dict[Name, list[float]] = {name: [] for name in cases}
    for _ in tqdm(range(repeats + 1), 'rounds'):
        for name, measure in cases.items():
            times[name].append(measure())
    return {k: statistics.median(v[1:]) for k, v in times.items()}


def pss(pid: int | str = 'self') -> int:
    """Return the memory of a process in bytes; shared pages count partly."""
    with open(f'/proc/{pid}/smaps_rollup') as file:
        [line] = [x for x in file if x.startswith('Pss:')]
    return int(line.split()[1]) * 1024
