"""Execute a declared list of runs: resumable, several at a time.

Each run is a process of tools/train.py in its own directory, followed by
tools/test.py if validation is not the test. A finished run is kept; a killed
one resumes from its last checkpoint and ends with the same metrics. Several
calls may share one root: each run has a lock, which its processes inherit, so
that a call waits for a run that has survived its caller.
"""

import fcntl
import json
import os
import sys
import time
from pathlib import Path
from typing import IO

from tqdm import tqdm

from .run_commands import Launch, local_launch
from .run_process import RunProcess, finished
from .runs import Run


def execute(
    runs: list[Run],
    root: Path,
    jobs: int = 1,
    threads: int | None = None,
    launch: Launch = local_launch,
) -> dict[str, dict]:
    """Execute runs, starting with those that others depend on.

    Args:
        runs: Runs to execute, with unique names.
        root: Directory of all runs.
        jobs: Number of simultaneous runs, which share the processors.
        threads: Number of threads of each run; by default all processors are
            divided among the runs. The last bits of floating-point sums
            depend on it.
        launch: Function that makes commands.

    Returns:
        Name to result: ``final`` (metrics of the test or of the last
        validation), ``curve`` ([epoch, metrics] of every validation, except
        one that a kill cut off after its checkpoint was written), ``spec``,
        and ``seconds``, its duration over all resumes.

    Raises:
        RuntimeError: If a run fails; includes the end of its log.
        ValueError: If names are not unique or an ``init`` is unknown.
    """
    by_name = {run.name: run for run in runs}
    named = {r.init for r in runs if r.init is not None}
    unknown = named - set(by_name)
    if len(by_name) < len(runs) or unknown:
        raise ValueError(
            'names of runs must be unique and every init must '
            f'be one of them; unknown: {sorted(unknown)}'
        )
    root = root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    configs = {r.name: r.resolve(root, by_name) for r in runs}
    specs = {r.name: r.spec(by_name) for r in runs}
    epochs = {n: c.train_cfg.max_epochs for n, c in configs.items()}
    weights = {r.name: r.cost * epochs[r.name] for r in runs}
    results = {
        r.name: result
        for r in runs
        if (result := finished(root / r.name, specs[r.name])) is not None
    }
    waiting = [r for r in runs if r.name not in results]
    running: dict[str, RunProcess] = {}
    threads = threads or max(1, (os.cpu_count() or 1) // jobs)
    bar = tqdm(
        total=sum(weights.values()),
        mininterval=1,
        file=sys.stdout,
        initial=sum(weights[n] for n in results),
        bar_format='{percentage:3.0f}% |{bar:20}| '
        '{elapsed}, {remaining} left{postfix}',
    )
    try:
        while waiting or running:
            notes = []
            for run in list(waiting):
                if len(running) >= jobs:
                    break
                if run.init is not None and run.init not in results:
                    continue
                lock = _lock(root / run.name)
                if lock is None:
                    notes.append(f'waiting for {run.name}')
                    continue
                waiting.remove(run)
                # The previous holder of the lock may have finished the run.
                result = finished(root / run.name, specs[run.name])
                if result is not None:
                    results[run.name] = result
                    lock.close()
                    continue
                running[run.name] = RunProcess(
                    run,
                    root,
                    configs[run.name],
                    specs[run.name],
                    threads,
                    launch,
                    lock,
                )
            time.sleep(2)
            for name, process in list(running.items()):
                if process.poll():
                    results[name] = process.finish()
                    del running[name]
                    tqdm.write(f'{name}: {describe(results[name]["final"])}')
            done = sum(weights[n] for n in results)
            for name, process in running.items():
                epoch, note = process.progress()
                done += epoch * by_name[name].cost
                notes.append(f'{name} {note}')
            bar.set_postfix_str('; '.join(notes), refresh=False)
            bar.update(done - bar.n)
    finally:
        for process in running.values():
            process.kill()
        bar.close()
    return {run.name: results[run.name] for run in runs}


def describe(metrics: dict) -> str:
    """Return the main metric of a validation as text."""
    for key in ('acc/top1', 'pretext/top1'):
        if key in metrics:
            return f'{key} {100 * metrics[key]:.1f} %'
    return json.dumps(metrics)


def _lock(folder: Path) -> IO | None:
    """Take the lock of a run; return None if another process has it."""
    # Append: the file is never truncated or deleted, so there is only one.
    lock = open(folder.with_name(f'.{folder.name}.lock'), 'a')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
