"""The rooms of the package, and which way they may import (DESIGN: one way).

Read off the source, so that an import inside a function counts as well.
"""

import ast
from functools import cache
from graphlib import TopologicalSorter

import pytest

from helpers.paths import PACKAGE, ROOT

#: What each room may import. Rooms of one row know nothing of each other.
BELOW: dict[str, set[str]] = {}
for row in (
    'method media',
    'synthetic structures config checkpoints',
    'models datasets evaluation',
    'engine',
    'apis',
    'visualization reproduction benchmarks',
    'probe',
):
    for room in row.split():
        BELOW[room] = set(BELOW) - set(row.split())

#: Modules beside the rooms, for all of them.
EVERYWHERE = ('files', 'version')

#: Rooms that know nothing of MMAction2.
PLAIN = ('method', 'media')


def modules(folder):
    return sorted(folder.rglob('*.py'))


@cache
def imports(path):
    """Return (module, name, only for types) of all imports of a file."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    types = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and ast.unparse(node.test) == 'TYPE_CHECKING'
        for child in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(a.name, '', id(node) in types) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ''
            if node.level:
                folder = path.parents[node.level - 1]
                base = '.'.join(folder.relative_to(ROOT).parts)
                module = f'{base}.{module}'.rstrip('.')
            found += [(module, a.name, id(node) in types) for a in node.names]
    return found


def target(module, name):
    """Return the file of the package that an import loads, or None."""
    for parts in ([*module.split('.'), name], module.split('.')):
        if parts[0] == 'mosi_mmaction' and parts[-1]:
            path = ROOT.joinpath(*parts)
            for file in (path.with_suffix('.py'), path / '__init__.py'):
                if file.is_file():
                    return file
    return None


def room_of(path):
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ''


def test_rooms_are_known():
    rooms = {p.parent.name for p in PACKAGE.glob('*/__init__.py')}
    assert rooms == {*BELOW, 'compat', 'cli'}
    assert len(list(PACKAGE.glob('*.py'))) <= 8


@pytest.mark.parametrize('room', BELOW)
def test_imports_run_one_way(room):
    for path in modules(PACKAGE / room):
        for module, name, _ in imports(path):
            file = target(module, name)
            if file is None:
                continue
            if file.parent == PACKAGE:
                # The package itself re-exports what lies above.
                assert file.stem in EVERYWHERE, f'{path}: {module}.{name}'
                continue
            other = room_of(file)
            assert other in BELOW[room] | {room}, f'{path}: {module}'


@pytest.mark.parametrize('room', PLAIN)
def test_rooms_without_mmaction2(room):
    for path in modules(PACKAGE / room):
        tops = {module.partition('.')[0] for module, _, _ in imports(path)}
        assert not tops & {'mmaction', 'mmcv'}, path


def test_no_import_circle():
    graph = {
        path: {
            file
            for module, name, for_types in imports(path)
            if not for_types and (file := target(module, name)) != path
        }
        - {None}
        for path in modules(PACKAGE)
    }
    assert len(graph) > 80
    # Raises CycleError, which names the circle.
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize('folder', ['mosi_mmaction', 'tools'])
def test_private_names_stay_at_home(folder):
    for path in modules(ROOT / folder):
        for module, name, _ in imports(path):
            if target(module, name) and name.startswith('_'):
                assert name.startswith('__'), f'{path}: {module}.{name}'


@pytest.mark.parametrize('folder', ['mosi_mmaction', 'tools', 'tests'])
def test_files_hold_one_idea(folder):
    sizes = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in modules(ROOT / folder)
    }
    assert {k: n for k, n in sizes.items() if n > 400} == {}
