"""Killed, full, torn, hostile: what a run survives, with real processes."""

import io
import os
import pickle
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.launch import run, start
from helpers.survival import PRETRAIN, write_config
from mosi_mmaction.checkpoints.files import AtomicBackend, whole


# ------------------------------------------------------------ checkpoints
def save_for_ever(path):
    backend = AtomicBackend()
    number = 0
    while True:
        number += 1
        file = io.BytesIO()
        torch.save(
            {
                'number': number,
                'weights': torch.full((2_000_000,), float(number)),
            },
            file,
        )
        backend.put(file.getvalue(), path)


def test_kill_while_saving_leaves_a_whole_file(tmp_path):
    path, temporary = tmp_path / 'epoch_1.pth', tmp_path / 'epoch_1.pth.tmp'
    last = 0
    caught_writing = 0
    for trial, delay in enumerate(np.linspace(0.02, 0.3, 12)):
        job = start(save_for_ever, str(path), log=tmp_path / 'log')
        while not path.exists() or not torch.load(path)['number']:
            time.sleep(0.01)
        stamp = path.stat().st_mtime_ns
        while path.stat().st_mtime_ns == stamp:
            time.sleep(0.01)
        time.sleep(delay)
        # Any moment, and moments at which it is surely writing.
        while trial % 2 and not temporary.exists():
            pass
        job.kill()
        job.join()
        assert job.exitcode == -signal.SIGKILL
        caught_writing += temporary.exists()
        assert whole(path)
        content = torch.load(path)
        assert (content['weights'] == content['number']).all()
        last = max(last, content['number'])
    assert last > 1
    assert caught_writing  # else nothing was tried


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """Work dir of a run that met a full disk, and the log of it."""
    folder = tmp_path_factory.mktemp('finished')
    config = write_config(
        folder / 'full.py',
        PRETRAIN,
        val_interval=100,
        hooks=[dict(type='FullDiskHook', epoch=2, size=100_000)],
    )
    write_config(folder / 'plain.py', PRETRAIN, val_interval=100)
    log = folder / 'log'
    code = run(
        'train.py', config, '--work-dir', folder / 'work', '--seed', 1, log=log
    )
    return folder, code, log.read_text()


@pytest.fixture
def stopped(finished, tmp_path):
    """Copy of that work dir and of a config to go on with."""
    shutil.copytree(finished[0], tmp_path / 'run')
    for pointer in (tmp_path / 'run' / 'work').glob('last_checkpoint'):
        pointer.write_text(str(tmp_path / 'run' / 'work' / 'epoch_2.pth'))
    return tmp_path / 'run'


@pytest.mark.slow
def test_full_disk_leaves_the_previous_checkpoint(finished, stopped):
    folder, code, text = finished
    assert code == 1
    assert 'File too large' in text
    names = sorted(p.name for p in (folder / 'work').glob('*.pth*'))
    assert names == ['epoch_1.pth', 'epoch_2.pth']  # nothing half, no .tmp
    assert all(whole(folder / 'work' / name) for name in names)
    # The oldest was to be deleted only after the third one was there.
    log = stopped / 'resumed'
    assert (
        run(
            'train.py',
            stopped / 'plain.py',
            '--work-dir',
            stopped / 'work',
            '--resume',
            log=log,
        )
        == 0
    ), log.read_text()
    assert 'resumed epoch: 2' in log.read_text()
    names = sorted(p.name for p in (stopped / 'work').glob('epoch_?.pth'))
    assert names == ['epoch_2.pth', 'epoch_3.pth']


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def punch(path):
    """What a power failure leaves: the right size, a hole of zeros."""
    with open(path, 'r+b') as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(4096))


def empty(path):
    os.truncate(path, 0)


@pytest.mark.slow
@pytest.mark.parametrize('damage', [truncate, punch, empty])
def test_torn_newest_checkpoint_is_named_and_skipped(stopped, damage):
    work = stopped / 'work'
    damage(work / 'epoch_2.pth')
    assert not whole(work / 'epoch_2.pth')
    log = stopped / 'resumed'
    assert (
        run(
            'train.py',
            stopped / 'plain.py',
            '--work-dir',
            work,
            '--resume',
            '--cfg-options',
            'train_cfg.max_epochs=2',
            log=log,
        )
        == 0
    ), log.read_text()[-3000:]
    text = log.read_text()
    assert f'{work / "epoch_2.pth"} is not whole' in text
    assert 'resumed epoch: 1' in text
    assert whole(work / 'epoch_2.pth')


@pytest.mark.slow
def test_nothing_whole_to_resume_from_stops(stopped):
    work = stopped / 'work'
    for path in work.glob('epoch_*.pth'):
        truncate(path)
    log = stopped / 'resumed'
    assert (
        run(
            'train.py',
            stopped / 'plain.py',
            '--work-dir',
            work,
            '--resume',
            log=log,
        )
        == 1
    )
    text = log.read_text()
    assert 'no checkpoint of' in text
    assert 'epoch_1.pth' in text and 'epoch_2.pth' in text


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def hostile(kind, checkpoint, target):
    """Hide a bomb in a checkpoint; return its content as bytes."""
    file = io.BytesIO()
    if kind == 'pickle':
        return pickle.dumps({'state_dict': Bomb(target)})
    if kind == 'class':
        checkpoint['meta']['extra'] = Bomb(target)
    if kind == 'config':
        # The Runner would run it as a Python file.
        checkpoint['meta']['config'] = f'open({str(target)!r}, "w")\n'
    torch.save(checkpoint, file)
    return file.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['pickle', 'class', 'config'])
@pytest.mark.parametrize('way', ['resume', 'resume_path', 'load_from', 'test'])
def test_hostile_checkpoint_runs_no_code(stopped, kind, way):
    work, boom = stopped / 'work', stopped / 'boom'
    path = work / 'epoch_2.pth'
    path.write_bytes(hostile(kind, torch.load(path), boom))
    # It does go off where anybody loads it without care.
    if kind != 'config':
        if kind == 'pickle':
            pickle.loads(path.read_bytes())
        else:
            torch.load(path, weights_only=False)
        assert boom.exists()
        boom.unlink()
    log = stopped / 'log_hostile'
    tool, args = {
        'resume': ('train.py', ['--resume']),
        'resume_path': ('train.py', ['--resume', path]),
        'load_from': (
            'train.py',
            ['--cfg-options', f'load_from={path}', 'train_cfg.max_epochs=1'],
        ),
        'test': ('test.py', [path]),
    }[way]
    code = run(tool, stopped / 'plain.py', *args, '--work-dir', work, log=log)
    text = log.read_text()
    assert not boom.exists()
    if kind == 'config':
        assert code == 0, text[-3000:]
        assert 'meta.config is ignored' in text
    else:
        assert code == 1
        assert f'{path}: refused' in text


@pytest.mark.slow
def test_torn_or_foreign_checkpoint_is_named(stopped):
    log = stopped / 'log_torn'
    path = stopped / 'work' / 'epoch_2.pth'
    weights = {k: torch.load(path)[k] for k in ('meta', 'state_dict')}
    truncate(path)
    assert (
        run(
            'test.py',
            stopped / 'plain.py',
            path,
            '--work-dir',
            stopped / 'work',
            log=log,
        )
        == 1
    )
    assert f'{path}: not a checkpoint, or one that was not' in log.read_text()
    torch.save(weights, path)
    assert (
        run(
            'train.py',
            stopped / 'plain.py',
            '--resume',
            path,
            '--work-dir',
            stopped / 'work',
            log=log,
        )
        == 1
    )
    assert "has no ['message_hub', 'optimizer']" in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    'way', [['--resume', '{path}'], ['--cfg-options', 'load_from={path}']]
)
def test_checkpoint_of_another_network_is_refused(stopped, way):
    path = stopped / 'work' / 'epoch_2.pth'
    config = write_config(
        stopped / 'wider.py',
        PRETRAIN.replace('base_channels=4', 'base_channels=8').replace(
            '=32,', '=64,'
        ),
    )
    log = stopped / 'log'
    assert (
        run(
            'train.py',
            config,
            *[a.format(path=path) for a in way],
            '--work-dir',
            stopped / 'other',
            log=log,
        )
        == 1
    )
    text = log.read_text()
    name = '--resume' if way[0] == '--resume' else 'load_from'
    assert f"{name}='{path}'" in text
    assert 'another shape: backbone.layer4' in text
    assert not list((stopped / 'other').glob('*.pth'))
