"""Carry out a declared list of training runs: resumable, a few at a time.

Each run is a process of tools/train.py in a folder of its own. A run that
is finished is kept; one that was killed resumes from its last checkpoint.
"""
import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config
from tqdm import tqdm

from mosi_mmaction import set_epochs, set_motion

TRAIN = Path(__file__).resolve().parent / 'train.py'


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
    """

    name: str
    config: str
    epochs: Optional[int] = None
    seed: int = 0
    init: Optional[str] = None
    options: dict = field(default_factory=dict)
    motion: dict = field(default_factory=dict)

    def resolve(self, root: Path, runs: dict) -> Config:
        """Return the run's config, with everything applied.

        Args:
            root: Folder of all runs.
            runs: All runs by name.
        """
        cfg = Config.fromfile(self.config)
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


def execute(runs: list[Run], root: Path, jobs: int = 1) -> dict[str, dict]:
    """Carry out runs, those that others start from first.

    Args:
        runs: What to do; names are unique.
        root: Folder of all runs.
        jobs: How many processes at once. They share the processors.

    Returns:
        Name to result: ``final`` (metrics of the last validation),
        ``curve`` ([epoch, metrics] of every validation), ``seconds``.

    Raises:
        RuntimeError: If a run fails; with the end of its log.
        ValueError: If names are not unique or an ``init`` is unknown.
    """
    by_name = {run.name: run for run in runs}
    unknown = {r.init for r in runs} - set(by_name) - {None}
    if len(by_name) < len(runs) or unknown:
        raise ValueError('names of runs must be unique and every init must '
                         f'be one of them; unknown: {sorted(unknown)}')
    root = root.resolve()
    configs = {r.name: r.resolve(root, by_name) for r in runs}
    specs = {}
    for run in runs:
        _spec(run, by_name, configs, specs)
    epochs = {n: c.train_cfg.max_epochs for n, c in configs.items()}
    results = {r.name: _finished(root / r.name, specs[r.name]) for r in runs}
    waiting = [r for r in runs if results[r.name] is None]
    running: dict[str, _Process] = {}
    threads = max(1, (os.cpu_count() or 1) // jobs)
    bar = tqdm(total=sum(epochs.values()), unit='epoch', mininterval=1,
               initial=sum(epochs[n] for n, r in results.items() if r),
               file=sys.stdout)
    try:
        while waiting or running:
            ready = [r for r in waiting
                     if r.init is None or results[r.init] is not None]
            while ready and len(running) < jobs:
                run = ready.pop(0)
                waiting.remove(run)
                running[run.name] = _Process(
                    root / run.name, configs[run.name], specs[run.name],
                    threads)
            time.sleep(0.5)
            done = sum(epochs[n] for n, r in results.items() if r)
            notes = []
            for name, process in list(running.items()):
                epoch, note = process.progress()
                done += epoch
                notes.append(f'{name} {note}')
                if process.poll():
                    results[name] = process.finish()
                    del running[name]
                    tqdm.write(f'{name}: '
                               f'{describe(results[name]["final"])}')
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


def _spec(run: Run, by_name: dict, configs: dict, specs: dict) -> str:
    """Return a hash of all that decides a run's result."""
    if run.name not in specs:
        text = configs[run.name].pretty_text
        if run.init is not None:
            text += _spec(by_name[run.init], by_name, configs, specs)
        specs[run.name] = hashlib.sha256(text.encode()).hexdigest()
    return specs[run.name]


def _finished(folder: Path, spec: str) -> Optional[dict]:
    path = folder / 'result.json'
    if path.exists():
        result = json.loads(path.read_text())
        if result['spec'] == spec:
            return result
    return None


class _Process:
    """A run that is under way."""

    def __init__(self, folder: Path, cfg: Config, spec: str,
                 threads: int) -> None:
        self.folder, self.spec = folder, spec
        self.start = time.time()
        self._settle()
        path = folder / 'config.py'
        cfg.dump(path)
        env = dict(os.environ, OMP_NUM_THREADS=str(threads),
                   PYTHONUNBUFFERED='1')
        self.log = open(folder / 'output.log', 'a')  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', str(TRAIN), str(path),
             '--work-dir', str(folder), '--resume'],
            stdout=self.log, stderr=subprocess.STDOUT, env=env)

    def _settle(self) -> None:
        """Make the folder this run's, without leftovers of another spec."""
        note = self.folder / 'spec'
        if self.folder.exists() and (not note.exists()
                                     or note.read_text() != self.spec):
            old = self.folder.with_name(
                f'{self.folder.name}.old-{int(self.start)}')
            self.folder.rename(old)
        self.folder.mkdir(parents=True, exist_ok=True)
        note.write_text(self.spec)

    def progress(self) -> tuple[int, str]:
        """Return epochs done, and a word on the last of them."""
        entries = read_scalars(self.folder)
        last = max((e for e in entries if 'loss' in e), default=None,
                   key=lambda e: e['step'])
        if last is None:
            return 0, 'starts'
        return max(0, last['epoch'] - 1), f'loss {last["loss"]:.2f}'

    def poll(self) -> bool:
        """Say whether it has ended."""
        return self.process.poll() is not None

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
                f'{tail}')
        with open(self.folder / 'seconds', 'a') as file:
            file.write(f'{time.time() - self.start:.1f}\n')
        seconds = (self.folder / 'seconds').read_text().split()
        curve = sorted(([e['step'], e] for e in read_scalars(self.folder)
                        if 'loss' not in e), key=lambda pair: pair[0])
        result = dict(spec=self.spec, final=curve[-1][1], curve=curve,
                      seconds=sum(map(float, seconds)))
        part = self.folder / 'result.json.part'
        part.write_text(json.dumps(result, indent=1))
        part.replace(self.folder / 'result.json')
        return result

    def kill(self) -> None:
        """End it; a later call resumes it."""
        self.process.kill()
        self.process.wait()
