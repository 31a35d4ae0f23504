"""Results as data: one line per run, one JSON file per experiment.

:class:`Results` is the only owner of ``results/``: everything reads and writes
these files through it. ``runs.jsonl`` has one line per run, sorted by id;
``tables/EXPERIMENT.json`` has the tables of an experiment by name.
Simultaneous calls wait for each other, and a file is complete or absent.
"""

import contextlib
import fcntl
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..files import write_text
from .run_process import read_run
from .runs import portable_command

#: The keys of a line, in order. Unknown values are None.
KEYS = (
    'id',
    'config',
    'seed',
    'init',
    'epochs',
    'motion',
    'options',
    'data',
    'test',
    'final',
    'seconds',
    'machine',
    'date',
    'commit',
    'spec',
    'curve',
)


class Results:
    """A directory of results.

    Args:
        root: Directory of the results; it need not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def runs(self) -> dict[str, dict]:
        """Return all runs by id; see results/README.md for the keys."""
        path = self.root / 'runs.jsonl'
        if not path.exists():
            return {}
        lines = path.read_text(encoding='utf-8').splitlines()
        return {run['id']: run for run in map(json.loads, lines)}

    def table_files(self) -> dict[str, dict]:
        """Return the content of every file in tables, by experiment."""
        return {
            path.stem: json.loads(path.read_text(encoding='utf-8'))
            for path in sorted(self.root.glob('tables/*.json'))
        }

    def tables(self) -> dict[str, dict]:
        """Return all tables of runs by name, such as ``'table1_short'``."""
        return {
            name: table
            for tables in self.table_files().values()
            for name, table in tables.items()
            if isinstance(table, dict) and 'rows' in table
        }

    def add(
        self,
        runs: Iterable[dict] = (),
        tables: dict[str, dict[str, dict]] | None = None,
        replace: bool = False,
    ) -> tuple[int, int]:
        """Add runs and tables to the existing ones.

        An existing run keeps its place, and its unknown values are filled in.
        A table of the same name is replaced.

        Args:
            runs: Lines, with some or all of :data:`KEYS`.
            tables: Tables by name, by experiment.
            replace: Whether runs may replace existing ones with different
                results.

        Returns:
            Number of new runs, and of new or changed tables.

        Raises:
            ValueError: If a run exists with a different result; then nothing
                is written.
        """
        with self._lock():
            known = self.runs()
            before = len(known)
            for run in runs:
                known[run['id']] = _merge(known.get(run['id']), run, replace)
            files = self.table_files()
            changed = {}
            for experiment, of in (tables or {}).items():
                old = files.get(experiment, {})
                changed[experiment] = {**old, **of}
            text = ''.join(
                json.dumps(known[name], ensure_ascii=False) + '\n'
                for name in sorted(known)
            )
            write_text(self.root / 'runs.jsonl', text)
            count = 0
            for experiment, new in changed.items():
                old = files.get(experiment, {})
                count += sum(old.get(name) != new[name] for name in new)
                content = {name: new[name] for name in sorted(new)}
                write_text(
                    self.root / 'tables' / f'{experiment}.json',
                    json.dumps(content, indent=1, ensure_ascii=False) + '\n',
                )
        return len(known) - before, count

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """Wait until no other call is writing here."""
        self.root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _merge(old: dict | None, new: dict, replace: bool) -> dict:
    """Return the merged line of a run, of which parts may be unknown."""
    old = old or {}
    if old and any(old[k] != new[k] for k in ('spec', 'final')):
        if not replace:
            raise ValueError(
                f'the run {new["id"]} exists with a different result: final '
                f'{old["final"]}, now {new["final"]}. Remove its line from '
                'runs.jsonl, or replace it with --replace'
            )
        old = {}
    line = {}
    for key in KEYS:
        values = [old.get(key), new.get(key)]
        line[key] = values[0] if values[0] is not None else values[1]
    # A kill may have cut off a validation: use the more complete one.
    line['curve'] = max(
        (of['curve'] for of in (old, new) if 'curve' in of), key=len
    )
    return line


def collect(sources: Iterable[Path], out: Results, replace: bool) -> str:
    """Add the content of work dirs and directories of results.

    Args:
        sources: Work dirs of tools/reproduce.py, with results in their
            subdirectory ``results``; directories of results; or directories
            of earlier versions, with one JSON file per table, and one per run
            in ``runs``.
        out: Results to add to.
        replace: See :meth:`Results.add`.

    Returns:
        Summary of what was added.

    Raises:
        FileNotFoundError: If there is no result in a source.
        ValueError: If a run exists with a different result.
    """
    runs: list[dict] = []
    tables: dict[str, dict[str, dict]] = {}
    for source in sources:
        found = [read_run(p.parent) for p in source.glob('*/result.json')]
        for folder in (source, source / 'results'):
            store = Results(folder)
            found += store.runs().values()
            found += _old_runs(folder)
            files = store.table_files()
            for experiment, of in [*files.items(), *_old_tables(folder)]:
                tables.setdefault(experiment, {}).update(of)
        if not found:
            raise FileNotFoundError(
                f'{source} has no results: neither runs (*/result.json) nor '
                'runs.jsonl'
            )
        runs += found
    new, changed = out.add(runs, tables, replace)
    return (
        f'{out.root}: {new} new runs of {len({r["id"] for r in runs})}, '
        f'{changed} new or changed tables'
    )


def _old_runs(folder: Path) -> list[dict]:
    return [
        dict(json.loads(path.read_text()), id=path.stem)
        for path in sorted(folder.glob('runs/*.json'))
    ]


def _old_tables(folder: Path) -> Iterator[tuple[str, dict]]:
    for path in sorted(folder.glob('*.json')):
        content = json.loads(path.read_text())
        if 'rows' in content:
            content = dict(content, unit='core', scale=1)
            command = shlex.split(content['command'])
            content['command'] = portable_command(command)
            yield experiment_of(path.stem), {path.stem: content}


def experiment_of(name: str) -> str:
    """Return the experiment of a table's name, ``NAME_BUDGET…``."""
    return re.split(r'_(?:short|long|loso|paper)(?:_|$)', name)[0]
