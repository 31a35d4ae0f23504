"""Several processes: the same training as one, and no hang when one dies."""

import os
import subprocess
import sys
import time

import cv2
import pytest
import torch

import mosi_mmaction  # noqa: F401, for torch.load() of checkpoints
from helpers.launch import TOOLS, ranks, run
from helpers.motion_truth import textured_image
from helpers.paths import CONFIGS, TESTS

CONFIG = """
_base_ = '{configs}/tiny/mosi_r2p1d_deadleaves.py'
custom_imports = dict(imports=['mosi_mmaction', 'helpers.reliability_hooks'],
                      allow_failed_imports=False)
custom_hooks = [{hook}]
model = dict(backbone=dict(base_channels=4, norm_eval=True),
             cls_head=dict(in_channels=32, dropout_ratio=0.))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=1.), paramwise_cfg=None)
param_scheduler = None
train_cfg = dict(max_epochs={epochs}, val_interval={epochs})
train_dataloader = dict(batch_size={batch}, num_workers=0,
                        persistent_workers=False, dataset=dict({data}))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                      dataset=dict(num_images=3))
"""


def write_config(path, hook, batch, data='num_images=4', epochs=1):
    path.write_text(
        CONFIG.format(
            configs=CONFIGS, hook=hook, batch=batch, data=data, epochs=epochs
        )
    )
    return path


def logs(log):
    return '\n'.join(
        p.read_text()[-3000:] for p in log.parent.glob(f'{log.name}*')
    )


def train(count, config, work, log):
    args = ['train.py', config, '--work-dir', work, '--seed', 3]
    if count > 1:
        codes = ranks(count, *args, log=log)
    else:
        codes = [run(*args, log=log)]
    assert codes == [0] * count, logs(log)


@pytest.mark.slow
def test_two_ranks_train_as_one_with_twice_the_batch(tmp_path):
    seen, gradients = [], []
    for count, batch in ((1, 4), (2, 2)):
        out, log = tmp_path / f'seen{count}', tmp_path / f'log{count}_'
        config = write_config(
            tmp_path / f'config{count}.py',
            dict(type='SampleLogHook', out=str(out)),
            batch,
        )
        train(count, config, tmp_path / f'work{count}', log)
        steps = [torch.load(f'{out}.{rank}') for rank in range(count)]
        assert [len(s) for s in steps] == [1] * count
        seen.append(
            {index: clips for rank in steps for _, index, clips in rank[0]}
        )
        # One step of plain SGD at rate 1: what is subtracted is the gradient.
        start = torch.load(f'{out}.start')
        end = torch.load(tmp_path / f'work{count}' / 'epoch_1.pth')[
            'state_dict'
        ]
        gradients.append(
            {
                name: start.get(name, start.get(f'module.{name}')) - value
                for name, value in end.items()
                if value.is_floating_point()
            }
        )
    assert len(seen[0]) == 4
    assert seen[0].keys() == seen[1].keys() == set(range(4))
    assert all(torch.equal(seen[0][i], seen[1][i]) for i in range(4))
    largest = max(g.abs().max() for g in gradients[0].values())
    assert largest > 1e-3
    for name, gradient in gradients[0].items():
        difference = (gradients[1][name] - gradient).abs().max()
        assert difference <= min(1e-5, 1e-3 * largest), name


@pytest.mark.slow
def test_two_ranks_share_a_round(tmp_path):
    # 5 samples in batches of 2 x 3: the first epoch of each round has no step.
    out, log = tmp_path / 'seen', tmp_path / 'log'
    config = write_config(
        tmp_path / 'config.py',
        dict(type='SampleLogHook', out=str(out)),
        3,
        'num_images=5',
        epochs=6,
    )
    with open(config, 'a') as file:
        file.write(
            "train_cfg['type'] = 'RoundTrainLoop'\n"
            "train_dataloader['drop_last'] = False\n"
            "train_dataloader['batch_sampler'] = dict("
            "type='RoundBatchSampler', epochs=3)\n"
        )
    args = ['train.py', config, '--work-dir', tmp_path / 'work', '--seed', 3]
    assert ranks(2, *args, log=log) == [0, 0], logs(log)
    seen = [torch.load(f'{out}.{rank}') for rank in range(2)]
    epochs = [[step[0][0] for step in rank] for rank in seen]
    assert epochs == [[1, 2, 4, 5]] * 2
    for steps in (slice(0, 2), slice(2, 4)):
        visits = [
            (int(index), clips.numpy().tobytes())
            for rank in seen
            for step in rank[steps]
            for _, index, clips in step
        ]
        # 12 of a round's 15 visits, each with a draw of its own.
        assert len(visits) == len(set(visits)) == 12
        assert {index for index, _ in visits} == set(range(5))


@pytest.mark.slow
def test_uneven_data_and_bad_files_keep_ranks_in_step(tmp_path):
    images = tmp_path / 'images'
    images.mkdir()
    for i in range(7):
        cv2.imwrite(str(images / f'{i}.png'), textured_image(80, i))
    (images / '3.png').write_bytes(b'broken')
    data = (
        f"_delete_=True, type='SourceImageDataset', "
        f'data_root={str(images)!r}, max_bad_fraction=0.3, pipeline=['
        "dict(type='SeedSample'), dict(type='LoadSourceImage'), "
        "dict(type='CropSource', size=64), "
        "dict(type='DrawPseudoMotion', clip_len=8, crop_size=32), "
        "dict(type='RenderPseudoMotion'), dict(type='PackMoSIInputs')]"
    )
    seen = {}
    for count, batch in ((2, 2), (1, 7)):
        out, log = tmp_path / f'seen{count}', tmp_path / f'log{count}_'
        config = write_config(
            tmp_path / f'config{count}.py',
            dict(type='SampleLogHook', out=str(out)),
            batch,
            data,
            epochs=2,
        )
        train(count, config, tmp_path / f'work{count}', log)
        assert 'skipped a bad file' in logs(log) and '3.png' in logs(log)
        steps = [torch.load(f'{out}.{rank}') for rank in range(count)]
        # Seven samples for two ranks are four each, in two steps of two.
        assert [len(s) for s in steps] == [4, 4][:count] if count > 1 else [2]
        seen[count] = [
            (epoch, index, clips)
            for rank in steps
            for step in rank
            for epoch, index, clips in step
        ]
    assert len(seen[2]) == 16 and len(seen[1]) == 14
    assert all(index != 3 for _, index, _ in seen[1] + seen[2])
    # Nor do ranks change a sample, those in the place of the bad one
    # included: each of the one process is one of the two.
    for epoch, index, clips in seen[1]:
        assert any(
            torch.equal(clips, other)
            for e, i, other in seen[2]
            if (e, i) == (epoch, index)
        )


@pytest.mark.slow
def test_killed_rank_ends_the_job_with_the_cause(tmp_path):
    config = write_config(
        tmp_path / 'config.py',
        dict(type='KillHook', epoch=1, batch=0, rank=1),
        2,
        epochs=9,
    )
    done = subprocess.run(
        [
            TOOLS / 'dist_train.sh',
            config,
            '2',
            '--work-dir',
            tmp_path / 'work',
        ],
        env={
            **os.environ,
            'PYTHON': sys.executable,
            'CUDA_VISIBLE_DEVICES': '',
            'PYTHONPATH': str(TESTS),
        },
        capture_output=True,
        text=True,
        timeout=280,
    )
    ended = time.time()
    assert done.returncode != 0
    killed = float((tmp_path / 'work' / 'killed_at').read_text())
    assert ended - killed < 60
    assert 'rank 1 was ended by SIGKILL' in done.stderr[-300:], done.stderr[
        -3000:
    ]
    assert (tmp_path / 'work' / 'epoch_1.pth').exists()


@pytest.mark.slow
def test_rank_with_a_bad_file_ends_all(tmp_path):
    images = tmp_path / 'images'
    images.mkdir()
    for i in range(4):
        cv2.imwrite(str(images / f'{i}.png'), textured_image(80, i))
    (images / '2.png').write_bytes(b'broken')
    data = (
        f"_delete_=True, type='SourceImageDataset', "
        f"data_root={str(images)!r}, bad_files='raise', pipeline=["
        "dict(type='SeedSample'), dict(type='LoadSourceImage'), "
        "dict(type='CropSource', size=64), "
        "dict(type='DrawPseudoMotion', clip_len=8, crop_size=32), "
        "dict(type='RenderPseudoMotion'), dict(type='PackMoSIInputs')]"
    )
    config = write_config(tmp_path / 'config.py', '', 1, data, epochs=9)
    log = tmp_path / 'log'
    codes = ranks(
        2, 'train.py', config, '--work-dir', tmp_path / 'work', log=log
    )
    assert all(code not in (0, None) for code in codes)
    assert f'{images / "2.png"}: not a readable image' in logs(log)
