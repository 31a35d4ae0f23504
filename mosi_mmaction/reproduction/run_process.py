"""A running run: its processes, its directory and its logs."""

import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from mmengine.config import Config

from ..files import read_json_lines, write_text
from .origin import commit, machine
from .run_commands import Launch, commands
from .runs import Run

#: Pattern of MMEngine's name for the log of a session.
_STAMP = '%Y%m%d_%H%M%S'

#: Keys that MMEngine logs besides metrics.
_NO_METRICS = ('time', 'data_time', 'step')


def read_scalars(work_dir: Path) -> list[dict]:
    """Return everything that MMEngine logged for a run, over all resumes.

    Entries that a resumed run logged again replace earlier ones.
    """
    entries = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for entry in read_json_lines(path):
            entries['loss' in entry, entry.get('step')] = entry
    return list(entries.values())


def finished(folder: Path, spec: str) -> dict[str, Any] | None:
    """Return the result of a run; None if there is none with this spec."""
    if not (folder / 'result.json').exists():
        return None
    result = _read_result(folder)
    return result if result['spec'] == spec else None


def _read_result(folder: Path) -> dict[str, Any]:
    result = json.loads((folder / 'result.json').read_text())
    return dict(result, seconds=float((folder / 'seconds').read_text()))


def _metrics(entry: dict) -> dict:
    return {k: v for k, v in entry.items() if k not in _NO_METRICS}


def read_run(folder: Path) -> dict:
    """Return the line of a finished run from its directory.

    Directories of earlier versions have no run.json; their line is derived
    from the config and the name of the directory.
    """
    line = _read_result(folder)
    sessions = [log.stem for log in _logs(folder)]
    if sessions:
        day = datetime.datetime.strptime(max(sessions), _STAMP)
        line['date'] = day.date().isoformat()
    note = folder / 'run.json'
    if note.exists():
        return {**line, **json.loads(note.read_text())}
    cfg = Config.fromfile(str(folder / 'config.py'))
    line.update(
        id=folder.name,
        seed=cfg.randomness.seed,
        epochs=cfg.train_cfg.max_epochs,
    )
    # A resumed run has its own last checkpoint there, or nothing.
    if cfg.load_from and not cfg.get('resume'):
        line['init'] = Path(cfg.load_from).parent.name
    return line


class RunProcess:
    """A run that is running."""

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
        note = dict(run.declaration(root), machine=machine(), commit=commit())
        write_text(self.folder / 'run.json', json.dumps(note, indent=1))
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
        """Prepare the run's directory, without leftovers of another spec."""
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
        """Return the number of finished epochs and the last metric."""
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
        """Return whether it has ended; after training, start the test."""
        if self.process.poll() is None:
            return False
        if self.process.returncode == 0 and self.todo:
            # A run killed between its last checkpoint and the validation has
            # nothing left to train and does not validate again.
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
        # It contains no times, so that a repeated run gives the same file.
        result = dict(spec=self.spec, final=final, curve=curve)
        write_text(self.folder / 'result.json', json.dumps(result, indent=1))
        self.lock.close()
        return _read_result(self.folder)

    def kill(self) -> None:
        """Kill the run; a later call resumes it."""
        # Launchers end their processes on SIGTERM, not on SIGKILL.
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _logs(folder: Path) -> list[Path]:
    """Return the logs of all sessions, named after their start times."""
    return [*folder.glob('*/*.log'), *folder.glob('test/*/*.log')]


def _seconds(folder: Path) -> float:
    """Return the duration of a run from the logs of all its sessions.

    A killed session counts up to its last line.
    """
    total = 0.0
    for log in _logs(folder):
        start = datetime.datetime.strptime(log.stem, _STAMP)
        total += max(0.0, log.stat().st_mtime - start.timestamp())
    return total
