"""Arguments are parsed before torch is imported, which takes seconds."""

import runpy
import subprocess
import sys

import pytest

from helpers.paths import ROOT
from mosi_mmaction.__main__ import find_tools
from mosi_mmaction.cli.arguments import read_options

# Runs the rest of the command line and then names what was imported.
WATCH = """
import atexit, runpy, sys
heavy = ('torch', 'mmengine', 'mmcv', 'mmaction', 'matplotlib', 'sklearn')
sys.argv[:] = sys.argv[1:]
atexit.register(lambda: print(
    'IMPORTED', *[m for m in heavy if m in sys.modules], file=sys.stderr))
main = sys.modules['__main__']
main.__file__ = sys.argv[0]  # as Python sets it for a script
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def watch(*argv, cwd=None):
    done = subprocess.run(
        [sys.executable, '-c', WATCH, *map(str, argv)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    *said, imported = done.stderr.splitlines()
    return done, '\n'.join(said), imported.split()[1:]


@pytest.mark.parametrize('tool', sorted(find_tools()))
def test_help_does_not_wait_for_torch(tool):
    done, said, imported = watch(ROOT / f'tools/{tool}.py', '--help')
    assert done.returncode == 0, said
    assert done.stdout.startswith('usage:')
    assert imported == []


@pytest.mark.parametrize(
    'argv, told',
    [
        (['train'], 'required: config'),
        (['train', 'nosuch'], "no file 'nosuch'"),
        (['train', 'mosi_r2p1d_hmbd'], 'did you mean'),
        (['train', 'x', '--cfg-options', 'seed'], 'write KEY=VALUE'),
        (['test', 'tiny/mosi_r2p1d_images'], 'required: checkpoint'),
        (['gradcam', 'x', 'y'], 'nothing to explain'),
        (['check_data', 'nosuch'], 'neither a directory nor a list'),
    ],
)
def test_mistakes_in_arguments_do_not_wait_for_torch(argv, told):
    done, said, imported = watch(ROOT / f'tools/{argv[0]}.py', *argv[1:])
    assert done.returncode not in (0, None)
    assert told in said
    assert 'Traceback' not in said
    assert imported == []


def test_split_videos_and_check_data_run_without_torch(tmp_path, rng):
    import cv2

    for name in ('a/1.png', 'b/2.png'):
        (tmp_path / 'photos' / name).parent.mkdir(parents=True)
        picture = rng.integers(0, 256, (80, 80, 3), dtype='uint8')
        cv2.imwrite(str(tmp_path / 'photos' / name), picture)
    check = ROOT / 'tools/check_data.py'
    done, said, imported = watch(check, tmp_path / 'photos', '--jobs', 1)
    assert (done.returncode, imported) == (0, []), said
    assert '0 of 2 files are bad' in done.stdout
    for name in ('a', 'b'):
        for number in range(2):
            path = tmp_path / 'videos' / name / f'{number}.avi'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    split = ROOT / 'tools/data/split_videos.py'
    done, said, imported = watch(
        split, tmp_path / 'videos', '--out', tmp_path / 'lists', '--test', 0.5
    )
    assert (done.returncode, imported) == (0, []), said
    assert (tmp_path / 'lists/finetune.py').is_file()


def test_module_lists_tools_without_torch():
    code = (
        'import sys, runpy; sys.orig_argv = ["python", "-m", "mosi_mmaction"];'
        'sys.argv = ["-m"]; import mosi_mmaction.__main__ as m; '
        'sys.argv = ["mosi_mmaction", "--help"]; m.main(); '
        'print("torch" in sys.modules)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == 'False', done.stderr
    assert 'data/split_videos' in done.stdout


@pytest.mark.parametrize(
    'name, near', [('trian', 'train'), ('split_videos', 'data/split_videos')]
)
def test_name_of_a_tool_that_was_meant(name, near):
    done = subprocess.run(
        [sys.executable, '-m', 'mosi_mmaction', name],
        capture_output=True,
        text=True,
    )
    assert f'did you mean {near}?' in done.stderr
    assert done.returncode == 1


def test_a_program_of_others_gets_all_at_once(tmp_path):
    script = tmp_path / 'train.py'
    script.write_text(
        'import sys, mosi_mmaction\n'
        'from mmaction.registry import MODELS\n'
        "print('MoSIHead' in MODELS)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True
    )
    assert done.stdout.strip() == 'True', done.stderr


def test_options_are_read_as_mmengine_reads_them():
    assert read_options(None) == {}
    pairs = ['a.b=1', 'c=[x,(1,2)]', 'd=None', 'e=-1', 'f=a=b', 'g=True']
    assert read_options(pairs) == {
        'a.b': 1,
        'c': ['x', (1, 2)],
        'd': None,
        'e': -1,
        'f': 'a=b',
        'g': True,
    }


def test_importing_starts_no_process_and_no_unfit_package(tmp_path):
    # Stand-ins that name who imports them. MMEngine does, for an optimizer.
    says = (
        'import traceback\n'
        'names = [f.filename for f in traceback.extract_stack()[:-1]]\n'
        'names = [n for n in names if "frozen" not in n]\n'
        'if "mmengine" not in names[-1]:\n'
        '    print(__name__, "is imported by", names[-1])\n'
    )
    for name in ('transformers', 'timm'):
        (tmp_path / f'{name}.py').write_text(says)
        info = tmp_path / f'{name}-5.1.0.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(
            f'Metadata-Version: 2.1\nName: {name}\nVersion: 5.1.0\n'
        )
    code = (
        'import sys\n'
        'def hook(event, args):\n'
        "    if event in ('subprocess.Popen', 'os.fork', 'os.posix_spawn',\n"
        "                 'os.system', 'os.exec'):\n"
        '        print(event, args)\n'
        'sys.addaudithook(hook)\n'
        'import mosi_mmaction\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        env={'PYTHONPATH': f'{tmp_path}:{ROOT}', 'PATH': '/usr/bin:/bin'},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ''


def test_experiments_are_named_without_importing_them():
    tool = runpy.run_path(str(ROOT / 'tools/reproduce.py'))
    assert list(tool['NAMES']) == list(tool['EXPERIMENTS'])
    assert list(tool['TINY_NAMES']) == list(tool['TINY_EXPERIMENTS'])
    assert list(tool['MOCAP_NAMES']) == list(tool['MOCAP_EXPERIMENTS'])
