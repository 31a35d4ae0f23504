"""Carry out a declared list of runs: resumable, a few at a time.

Each run is a process of tools/train.py in a folder of its own, followed by
tools/test.py where validation is not the test. A run that is finished is
kept; one that was killed resumes from its last checkpoint and ends with the
same metrics. Several calls may share one root: each run has a lock, which
its processes inherit, so a run that survived its caller is waited for.
"""

import copy
import datetime
import fcntl
import functools
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from unittest import mock

from mmengine.config import Config
from tqdm import tqdm

from ..config import set_epochs, set_motion

# In a clone these are links: a run then names the files of the clone.
TOOLS = (Path(__file__).resolve().parents[1] / '.mim' / 'tools').resolve()

#: Makes a command of (tool: 'train' or 'test', its files, its options).
Launch = Callable[[str, list[str], list[str]], list[str]]

#: What MMEngine logs beside metrics.
_NO_METRICS = ('time', 'data_time', 'step')


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: Also its folder below the root of all runs.
        config: Path of the config it starts from.
        epochs: Budget; None keeps the config's.
        seed: Of the run.
        init: Name of the run whose last checkpoint it starts from.
        options: Dotted keys of the config and their values.
        motion: Arguments of :func:`mosi_mmaction.set_motion`.
        variables: Environment variables that the config reads.
        test: Whether the result is that of tools/test.py instead of the
            last validation.
        cost: Expected core- or GPU-seconds an epoch; weighs the progress.
    """

    name: str
    config: str
    epochs: int | None = None
    seed: int = 0
    init: str | None = None
    options: dict = field(default_factory=dict)
    motion: dict = field(default_factory=dict)
    variables: dict = field(default_factory=dict)
    test: bool = False
    cost: float = 1.0

    def resolve(self, root: Path, runs: dict) -> Config:
        """Return the run's config, with everything applied.

        Args:
            root: Folder of all runs.
            runs: All runs by name.
        """
        cfg = copy.deepcopy(
            _read_config(self.config, tuple(sorted(self.variables.items())))
        )
        if self.motion:
            set_motion(cfg, **self.motion)
        if self.epochs is not None:
            set_epochs(cfg, self.epochs)
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=self.seed)
        cfg.load_from = None
        cfg.merge_from_dict(self.options)
        if self.init is not None:
            last = runs[self.init].resolve(root, runs).train_cfg.max_epochs
            cfg.load_from = str(root / self.init / f'epoch_{last}.pth')
        return cfg

    def spec(self, runs: dict) -> str:
        """Return a hash of all that decides the result.

        Names do not. Data count by their paths, lists and frames that were
        made below the root too.

        Args:
            runs: All runs by name, of which only what this one starts from
                is used.
        """
        content = self.resolve(Path(), runs).to_dict()
        if self.init is not None:
            content['load_from'] = runs[self.init].spec(runs)
        content['test'] = self.test
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def _read_config(path: str, variables: tuple) -> Config:
    with mock.patch.dict(os.environ, variables):
        return Config.fromfile(path)


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
    """Return what makes commands.

    Args:
        launcher: ``'none'``, ``'pytorch'`` or ``'slurm'``.
        gpus: Processes of a run; for ``'slurm'``, by $GPUS.
        partition: Of Slurm.

    Raises:
        ValueError: If Slurm is not told its partition.
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
    """Return the commands of a run: training, and test where it has one.

    Args:
        run: The run; ``config.py`` in its folder is written as it starts.
        root: Folder of all runs.
        epochs: Its budget.
        launch: Makes commands.
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


def execute(
    runs: list[Run],
    root: Path,
    jobs: int = 1,
    threads: int | None = None,
    launch: Launch = local_launch,
) -> dict[str, dict]:
    """Carry out runs, those that others start from first.

    Args:
        runs: What to do; names are unique.
        root: Folder of all runs.
        jobs: How many at once. They share the processors.
        threads: Of each; by default all processors are shared out. Sums in
            floating point depend on it in their last bits.
        launch: Makes commands.

    Returns:
        Name to result: ``final`` (metrics of the test or of the last
        validation), ``curve`` ([epoch, metrics] of every validation, but
        for one that a kill cut off after its checkpoint was written),
        ``spec``, and ``seconds`` that it ran, over all resumes.

    Raises:
        RuntimeError: If a run fails; with the end of its log.
        ValueError: If names are not unique or an ``init`` is unknown.
    """
    by_name = {run.name: run for run in runs}
    unknown = {r.init for r in runs} - set(by_name) - {None}
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
    results = {r.name: finished(root / r.name, specs[r.name]) for r in runs}
    waiting = [r for r in runs if results[r.name] is None]
    running: dict[str, _Process] = {}
    threads = threads or max(1, (os.cpu_count() or 1) // jobs)
    bar = tqdm(
        total=sum(weights.values()),
        mininterval=1,
        file=sys.stdout,
        initial=sum(weights[n] for n, r in results.items() if r),
        bar_format='{percentage:3.0f}% |{bar:20}| '
        '{elapsed}, {remaining} left{postfix}',
    )
    try:
        while waiting or running:
            notes = []
            for run in list(waiting):
                if len(running) >= jobs:
                    break
                if run.init is not None and results[run.init] is None:
                    continue
                lock = _lock(root / run.name)
                if lock is None:
                    notes.append(f'{run.name} is waited for')
                    continue
                waiting.remove(run)
                # Whoever held the lock may have brought it to its end.
                results[run.name] = finished(root / run.name, specs[run.name])
                if results[run.name] is not None:
                    lock.close()
                    continue
                running[run.name] = _Process(
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
            done = sum(weights[n] for n, r in results.items() if r)
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
    return results


def describe(metrics: dict) -> str:
    """Return the main metric of a validation as text."""
    for key in ('acc/top1', 'pretext/top1'):
        if key in metrics:
            return f'{key} {100 * metrics[key]:.1f} %'
    return json.dumps(metrics)


def read_scalars(work_dir: Path) -> list[dict]:
    """Return all that MMEngine logged of a run, over all its resumes.

    What a resumed run logged again replaces what was logged before.
    """
    entries = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line a kill cut off
            entries['loss' in entry, entry.get('step')] = entry
    return list(entries.values())


def finished(folder: Path, spec: str) -> dict | None:
    """Return the result of a run, None where there is none of this spec."""
    path = folder / 'result.json'
    if path.exists():
        result = json.loads(path.read_text())
        if result['spec'] == spec:
            seconds = float((folder / 'seconds').read_text())
            return dict(result, seconds=seconds)
    return None


def _lock(folder: Path) -> IO | None:
    """Take a run's lock; None while another process has it."""
    # Append: the file is never emptied nor deleted, so there is only one.
    lock = open(folder.with_name(f'.{folder.name}.lock'), 'a')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _metrics(entry: dict) -> dict:
    return {k: v for k, v in entry.items() if k not in _NO_METRICS}


class _Process:
    """A run that is under way."""

    def __init__(
        self,
        run: Run,
        root: Path,
        cfg: Config,
        spec: str,
        threads: int,
        launch: Launch,
        lock: IO,
    ) -> None:
        self.folder, self.spec, self.lock = root / run.name, spec, lock
        self.last = cfg.train_cfg.max_epochs
        self.test = run.test
        self._settle()
        cfg.dump(self.folder / 'config.py')
        self.cfg = cfg
        self.todo = commands(run, root, self.last, launch)
        self.env = dict(
            os.environ,
            OMP_NUM_THREADS=str(threads),
            PYTHONUNBUFFERED='1',
            PYTHON=sys.executable,
        )
        self.log = open(self.folder / 'output.log', 'a')  # noqa: SIM115
        self._start()

    def _settle(self) -> None:
        """Make the folder this run's, without leftovers of another spec."""
        note = self.folder / 'spec'
        if self.folder.exists() and (
            not note.exists() or note.read_text() != self.spec
        ):
            old = self.folder.with_name(
                f'{self.folder.name}.old-{int(time.time())}'
            )
            self.folder.rename(old)
        self.folder.mkdir(parents=True, exist_ok=True)
        note.write_text(self.spec)

    def _start(self) -> None:
        self.process = subprocess.Popen(
            self.todo.pop(0),
            stdout=self.log,
            stderr=subprocess.STDOUT,
            env=self.env,
            pass_fds=[self.lock.fileno()],
        )

    def progress(self) -> tuple[int, str]:
        """Return epochs done, and a word on the last of them."""
        entries = read_scalars(self.folder)
        last = max(
            (e for e in entries if 'loss' in e),
            default=None,
            key=lambda e: e['step'],
        )
        if last is None:
            return 0, 'starts'
        return max(0, last['epoch'] - 1), f'loss {last["loss"]:.2f}'

    def poll(self) -> bool:
        """Say whether it has ended; after training, start the test."""
        if self.process.poll() is None:
            return False
        if self.process.returncode == 0 and self.todo:
            # Killed after its last checkpoint and before the validation, a
            # run has nothing left to train and does not validate again.
            if self.test or self.last not in dict(self._curve()):
                self._write_test_config()
                self._start()
                return False
        return True

    def _write_test_config(self) -> None:
        if not self.test:
            self.cfg.test_cfg = dict(type='TestLoop')
            self.cfg.test_dataloader = self.cfg.val_dataloader
            self.cfg.test_evaluator = self.cfg.val_evaluator
        self.cfg.dump(self.folder / 'test_config.py')

    def _curve(self) -> list:
        return sorted(
            (
                [e['step'], _metrics(e)]
                for e in read_scalars(self.folder)
                if 'loss' not in e
            ),
            key=lambda pair: pair[0],
        )

    def finish(self) -> dict[str, Any]:
        """Write and return the result.

        Raises:
            RuntimeError: If the process failed.
        """
        self.log.close()
        if self.process.returncode:
            tail = (self.folder / 'output.log').read_text()[-3000:]
            raise RuntimeError(
                f'the run {self.folder} failed with exit status '
                f'{self.process.returncode}; the end of its output.log:\n'
                f'{tail}'
            )
        curve = self._curve()
        tested = sorted((self.folder / 'test').glob('*/*.json'))
        if tested:
            final = _metrics(json.loads(tested[-1].read_text()))
            if self.last not in dict(curve):
                curve.append([self.last, final])
        else:
            final = curve[-1][1]
        (self.folder / 'seconds').write_text(f'{_seconds(self.folder):.1f}')
        # No time in it: a run done again gives the same file.
        part = self.folder / 'result.json.part'
        part.write_text(
            json.dumps(
                dict(spec=self.spec, final=final, curve=curve), indent=1
            )
        )
        part.replace(self.folder / 'result.json')
        self.lock.close()
        return finished(self.folder, self.spec)

    def kill(self) -> None:
        """End it; a later call resumes it."""
        # Launchers end their processes on SIGTERM, not on SIGKILL.
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _seconds(folder: Path) -> float:
    """Return how long a run took, from the logs of all its sessions.

    A session that was killed counts up to its last line.
    """
    total = 0.0
    for log in (*folder.glob('*/*.log'), *folder.glob('test/*/*.log')):
        start = datetime.datetime.strptime(log.stem, '%Y%m%d_%H%M%S')
        total += max(0.0, log.stat().st_mtime - start.timestamp())
    return total
