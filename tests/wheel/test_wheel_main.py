"""`python -m mosi_mmaction TOOL` runs a script as if it had been started."""

import json
import re
import sys

import pytest

from helpers.paths import ROOT
from mosi_mmaction import __main__ as runner
from mosi_mmaction.cli.errors import user_message

SCRIPT = '''"""Tell how it was started.

More.
"""
import json, multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from tell_helper import NUMBER


def square(number):
    return number ** 2


if __name__ == '__main__':
    spawn = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(1, spawn) as pool:
        squares = list(pool.map(square, [NUMBER]))
    json.dump([sys.argv, sys.path[0], squares], open('told.json', 'w'))
    sys.exit(3)
'''


@pytest.fixture
def start(monkeypatch):
    """Function that runs main() with these arguments."""

    def call(*args):
        monkeypatch.setattr(sys, 'argv', ['mosi_mmaction', *args])
        monkeypatch.setattr(sys, 'path', list(sys.path))
        return runner.main()

    return call


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A tool of its own in a folder of its own."""
    folder = tmp_path / 'tools' / 'a group'
    folder.mkdir(parents=True)
    (folder / 'tell.py').write_text(SCRIPT)
    (folder / 'tell_helper.py').write_text('"""No tool."""\nNUMBER = 7\n')
    monkeypatch.setattr(runner, 'TOOLS', tmp_path / 'tools')
    monkeypatch.chdir(tmp_path)
    return folder / 'tell.py'


def test_a_script_runs_as_if_started(script, start, tmp_path):
    assert runner.find_tools() == {'a group/tell': 'Tell how it was started.'}
    with pytest.raises(SystemExit) as end:
        start('a group/tell', 'CONFIG', '--flag')
    assert end.value.code == 3
    argv, path, squares = json.loads((tmp_path / 'told.json').read_text())
    assert argv == [str(script), 'CONFIG', '--flag']
    assert path == str(script.parent) and squares == [49]


def test_all_scripts_of_the_repository_are_tools(start, capsys):
    tools = runner.find_tools()
    scripts = {
        path.relative_to(ROOT / 'tools').with_suffix('').as_posix()
        for path in (ROOT / 'tools').rglob('*.py')
    }
    # What is left is imported by the others.
    assert {
        script
        for script in scripts - set(tools)
        if not script.startswith('reproduction/')
    } == set()
    assert not [tool for tool in tools if tool.startswith('reproduction/')]
    start('--help')
    told = capsys.readouterr().out
    start()
    assert told == capsys.readouterr().out
    for name, line in tools.items():
        assert re.search(rf'^ +{name}  +{re.escape(line)}$', told, re.M)
        assert line.endswith('.')


@pytest.mark.parametrize(
    'name, near',
    [
        ('trian', 'train'),
        ('train.py', 'train'),
        ('prepare', 'data/prepare'),
        ('--config', None),
    ],
)
def test_a_wrong_name(start, name, near):
    with pytest.raises(SystemExit) as end:
        start(name)
    assert repr(name) in end.value.code and 'three_splits' in end.value.code
    if near:
        assert re.search(f'did you mean [^?]*{near}', end.value.code)
    else:
        assert 'did you mean' not in end.value.code


def test_a_missing_extra_is_named(script, start):
    message = r'pip install "mosi_mmaction\[vis\]"'
    script.write_text(
        "if __name__ == '__main__':\n    import sklearn.nonesuch"
    )
    with pytest.raises(ImportError) as told:
        start('a group/tell')
    assert re.search(message, user_message(told.value))
    # As mosi_mmaction.visualization puts it.
    script.write_text(
        "if __name__ == '__main__':\n    try:\n"
        '        import matplotlib.nonesuch\n    except ImportError as error:'
        "\n        raise ImportError('of no help') from error"
    )
    with pytest.raises(ImportError) as told:
        start('a group/tell')
    assert re.search(message, user_message(told.value))


def test_other_missing_modules_are_not_explained_away(script, start):
    script.write_text("if __name__ == '__main__':\n    import nonesuch")
    with pytest.raises(ModuleNotFoundError, match='nonesuch') as told:
        start('a group/tell')
    assert user_message(told.value) is None
