"""Killed, full, torn, hostile: what a run survives, with real processes."""

import io
import os
import pickle
import shutil
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from helpers.launch import run, start
from helpers.motion_truth import textured_image
from helpers.paths import CONFIGS
from mosi_mmaction.checkpoints.files import AtomicBackend, whole

RUN = """
custom_imports = dict(imports=['mosi_mmaction', 'helpers.reliability_hooks'],
                      allow_failed_imports=False)
custom_hooks = {hooks}
randomness = dict(seed=None)
train_cfg = dict(max_epochs=3, val_interval={val_interval})
"""
PRETRAIN = """
_base_ = '{configs}/tiny/mosi_r2p1d_deadleaves.py'
model = dict(backbone=dict(base_channels=4),
             cls_head=dict(in_channels=32, dropout_ratio=0.5))
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(num_images=6))
val_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(num_images=2))
test_dataloader = val_dataloader
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
"""
FINETUNE = """
_base_ = ['{configs}/_base_/models/finetune_r2p1d.py',
          '{configs}/_base_/schedules/tiny_finetune.py',
          '{configs}/_base_/default_runtime.py']
model = dict(backbone=dict(base_channels=4),
             cls_head=dict(in_channels=32, num_classes=2, dropout_ratio=0.5))
decode = [dict(type='SeedSample'), dict(type='VideoInit'),
          dict(type='SampleFrames', clip_len=8, frame_interval=1,
               num_clips=1),
          dict(type='VideoDecode')]
pack = [dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs')]
dataset = dict(
    type='ActionVideoDataset', ann_file='{root}/list.txt',
    data_prefix=dict(video='{root}/videos'), max_bad_fraction=0.5,
    pipeline=decode + [dict(type='RandomResizedCrop'),
                       dict(type='Resize', scale=(32, 32), keep_ratio=False),
                       dict(type='Flip', flip_ratio=0.5),
                       dict(type='ClipColorJitter')] + pack)
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    sampler=dict(type='EpochSampler', shuffle=True), dataset=dataset)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=1))
"""


def write_config(path, text, hooks=(), **values):
    values.setdefault('val_interval', 1)
    path.write_text(
        (text + RUN).format(configs=CONFIGS, hooks=list(hooks), **values)
    )
    return path


def assert_same_end(one, other):
    """Compare weights, buffers and the optimizer's state, to the bit."""
    one, other = [torch.load(d / 'epoch_3.pth') for d in (one, other)]
    assert one['meta']['iter'] == other['meta']['iter'] > 0
    for name, value in other['state_dict'].items():
        assert torch.equal(one['state_dict'][name], value), name
    moments = one['optimizer']['state']
    assert moments
    for number, state in other['optimizer']['state'].items():
        for name, value in state.items():
            assert torch.equal(moments[number][name], value), (number, name)


@pytest.mark.slow
def test_pretraining_killed_and_resumed_ends_the_same(tmp_path):
    work, reference = tmp_path / 'killed', tmp_path / 'reference'
    plain = write_config(tmp_path / 'plain.py', PRETRAIN)
    deadly = write_config(
        tmp_path / 'deadly.py',
        PRETRAIN,
        hooks=[dict(type='KillHook', epoch=1, batch=1)],
    )
    log = tmp_path / 'log'
    workers = 'train_dataloader.num_workers=2'
    persistent = 'train_dataloader.persistent_workers=True'
    code = run(
        'train.py',
        deadly,
        '--work-dir',
        work,
        '--cfg-options',
        workers,
        persistent,
        log=log,
    )
    assert code == -signal.SIGKILL, log.read_text()[-3000:]
    assert not (work / 'epoch_2.pth').exists()
    # The seed was random: what resumes does not know it, the file does.
    seed = torch.load(work / 'epoch_1.pth')['meta']['seed']
    assert (
        run(
            'train.py',
            plain,
            '--work-dir',
            work,
            '--resume',
            '--cfg-options',
            workers,
            log=log,
        )
        == 0
    ), log.read_text()[-3000:]
    assert (
        run(
            'train.py', plain, '--work-dir', reference, '--seed', seed, log=log
        )
        == 0
    ), log.read_text()[-3000:]
    assert_same_end(work, reference)
    # max_keep_ckpts=2, and a published file that holds no more than it says.
    names = {p.name for p in work.glob('epoch_?.pth')}
    assert names == {'epoch_2.pth', 'epoch_3.pth'}
    (published,) = work.glob('epoch_3-*.pth')
    assert set(torch.load(published)) == {'meta', 'state_dict'}
    other = torch.load(work / 'epoch_2.pth')['state_dict']
    last = torch.load(published)['state_dict']
    assert not torch.equal(
        last['cls_head.fc_cls.weight'], other['cls_head.fc_cls.weight']
    )


def write_video(path, seed, frames=12, size=(64, 48)):
    """Write a Motion-JPEG AVI of a texture that moves."""
    image = textured_image(96, seed)
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, size
    )
    for t in range(frames):
        x = 2 * t if seed % 2 else 30 - 2 * t
        writer.write(
            np.ascontiguousarray(image[10 : 10 + size[1], x : x + size[0]])
        )
    writer.release()


@pytest.fixture
def videos(tmp_path):
    """Six videos in odd folders, two of them broken, and their list."""
    folder = tmp_path / 'videos' / 'two words'
    folder.mkdir(parents=True)
    lines = []
    for i in range(6):
        write_video(folder / f'clip {i}.avi', i)
        lines.append(f'two words/clip {i}.avi {i % 2}\n')
    broken = folder / 'clip 3.avi'
    broken.write_bytes(broken.read_bytes()[:-5000])  # crashed decord
    (folder / 'clip 4.avi').write_bytes(b'')
    (tmp_path / 'list.txt').write_text(''.join(lines))
    return tmp_path


@pytest.mark.slow
def test_finetuning_killed_and_resumed_ends_the_same(videos):
    work, reference = videos / 'killed', videos / 'reference'
    values = dict(root=videos, val_interval=100)
    plain = write_config(videos / 'plain.py', FINETUNE, **values)
    deadly = write_config(
        videos / 'deadly.py',
        FINETUNE,
        hooks=[dict(type='KillHook', epoch=2, batch=1)],
        **values,
    )
    log = videos / 'log'
    assert (
        run('train.py', deadly, '--work-dir', work, '--seed', 5, log=log)
        == -signal.SIGKILL
    ), log.read_text()[-3000:]
    assert [p.name for p in work.glob('epoch_*')] == ['epoch_2.pth']
    # The file knows the seed better than who resumes with another one.
    assert (
        run(
            'train.py',
            plain,
            '--work-dir',
            work,
            '--resume',
            '--seed',
            6,
            '--cfg-options',
            'train_dataloader.num_workers=2',
            'train_dataloader.persistent_workers=True',
            log=log,
        )
        == 0
    ), log.read_text()[-3000:]
    whole_log = videos / 'whole_log'
    assert (
        run(
            'train.py',
            plain,
            '--work-dir',
            reference,
            '--seed',
            5,
            '--cfg-options',
            'train_dataloader.num_workers=2',
            log=whole_log,
        )
        == 0
    ), whole_log.read_text()[-3000:]
    assert_same_end(work, reference)
    # Every epoch met the empty file; it was told once, with its path.
    text = whole_log.read_text()
    assert text.count('skipped a bad file') == text.count('clip 4.avi') == 1
    assert 'clip 4.avi: the file is empty' in text


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
    assert f"load_from='{path}'" in text
    assert 'another shape: backbone.layer4' in text
    assert not list((stopped / 'other').glob('*.pth'))
