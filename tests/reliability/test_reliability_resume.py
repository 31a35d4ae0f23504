"""A run that is killed and resumed ends as one that was not."""

import signal

import cv2
import numpy as np
import pytest
import torch

import mosi_mmaction  # noqa: F401, for torch.load() of checkpoints
from helpers.launch import run
from helpers.motion_truth import textured_image
from helpers.survival import LAYERS, PRETRAIN, write_config

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
@pytest.mark.parametrize(
    'config', [PRETRAIN, LAYERS], ids=['the paper', 'layers']
)
def test_pretraining_killed_and_resumed_ends_the_same(tmp_path, config):
    work, reference = tmp_path / 'killed', tmp_path / 'reference'
    plain = write_config(tmp_path / 'plain.py', config)
    deadly = write_config(
        tmp_path / 'deadly.py',
        config,
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
