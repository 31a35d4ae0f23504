"""Whole runs through the tools: pretrain, resume, publish, fine-tune.

The networks are as narrow and the data as few as they can be; nothing else
differs from what a user types.
"""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope

import mosi_mmaction
from helpers import launch
from helpers.paths import ROOT
from mosi_mmaction import LabelPool
from mosi_mmaction.synthetic.write import write_action_videos

CONFIGS, TOOLS = ROOT / 'configs', ROOT / 'tools'

PRETRAIN = f"""
_base_ = [{str(CONFIGS / 'tiny' / 'mosi_r2p1d_deadleaves.py')!r}]
for _step in _base_.train_pipeline:
    if _step['type'] == 'CropSource':
        _step['size'] = 32
    if _step['type'] == 'DrawPseudoMotion':
        _step.update(clip_len=4, crop_size=16)
_few = dict(num_images=4, size=32, pipeline=_base_.train_pipeline)
model = dict(
    backbone=dict(base_channels=4),
    cls_head=dict(in_channels=32, dropout_ratio=0.5))
train_dataloader = dict(batch_size=2, num_workers=1, dataset=_few)
val_dataloader = dict(batch_size=2, num_workers=0,
                      persistent_workers=False, dataset=_few)
test_dataloader = val_dataloader

from mosi_mmaction import set_epochs

set_epochs(_base_, 4)
"""

FINETUNE = """
_base_ = [{base!r}]
_videos = dict(ann_file={root!r} + '/few.txt',
               data_prefix=dict(video={root!r}))
model = dict(
    backbone=dict(base_channels={width}),
    cls_head=dict(in_channels=8 * {width}))
train_dataloader = dict(batch_size=2, num_workers=0, dataset=_videos,
                        persistent_workers=False)
val_dataloader = dict(batch_size=2, num_workers=0, dataset=_videos,
                      persistent_workers=False)
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=1, val_interval=1)
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def train(*args, log):
    """Run tools/train.py; return its exit code and what it said."""
    code = launch.run('train.py', *args, log=log)
    return code, Path(log).read_text()


def weights(path):
    return torch.load(path, weights_only=True)['state_dict']


def assert_equal_weights(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def epochs_logged(work_dir):
    """Return the epochs whose iterations the logs of all runs hold."""
    lines = [
        json.loads(line)
        for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
        for line in path.read_text().splitlines()
    ]
    return [line['epoch'] for line in lines if 'loss' in line]


# ------------------------------------------------------------- pretraining
@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    """Work dir of a run of four epochs, started as users start it."""
    root = tmp_path_factory.mktemp('pretrained')
    config = write(root / 'a config.py', PRETRAIN)
    done = subprocess.run(
        [
            sys.executable,
            str(TOOLS / 'train.py'),
            str(config),
            '--work-dir',
            str(root / 'straight'),
            '--seed',
            '3',
        ],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return root / 'straight'


@pytest.fixture(scope='module')
def published(pretrained):
    """The one file that is meant for others."""
    files = [
        p
        for p in pretrained.glob('*.pth')
        if re.fullmatch(r'epoch_4-[0-9a-f]{8}\.pth', p.name)
    ]
    assert len(files) == 1, sorted(p.name for p in pretrained.iterdir())
    return files[0]


@pytest.mark.slow
def test_a_run_trains_validates_and_saves(pretrained):
    saved = {p.name for p in pretrained.glob('epoch_?.pth')}
    assert 'epoch_4.pth' in saved and len(saved) >= 3
    early, late = (weights(pretrained / f'epoch_{n}.pth') for n in (3, 4))
    moved = [k for k in early if not torch.equal(early[k], late[k])]
    assert len(moved) > 0.9 * len(early)
    (scalars,) = pretrained.glob('*/vis_data/scalars.json')
    told = [json.loads(line) for line in scalars.read_text().splitlines()]
    top1 = [line['pretext/top1'] for line in told if 'pretext/top1' in line]
    assert len(top1) == 4 and all(0 <= t <= 1 for t in top1)
    assert all(line['loss'] > 0 for line in told if 'loss' in line)


@pytest.mark.slow
def test_resume_continues_the_same_run(pretrained, tmp_path):
    config = write(tmp_path / 'c.py', PRETRAIN)
    args = [config, '--work-dir', tmp_path / 'w', '--seed', '3']
    # The schedule is that of four epochs; the run ends after two.
    code, said = train(
        *args, '--cfg-options', 'train_cfg.max_epochs=2', log=tmp_path / 'one'
    )
    assert code == 0, said[-3000:]
    code, said = train(*args, '--resume', log=tmp_path / 'two')
    assert code == 0, said[-3000:]
    assert epochs_logged(tmp_path / 'w') == epochs_logged(pretrained)
    assert sorted(set(epochs_logged(pretrained))) == [1, 2, 3, 4]
    assert_equal_weights(
        weights(tmp_path / 'w' / 'epoch_4.pth'),
        weights(pretrained / 'epoch_4.pth'),
    )
    # Nothing left to do: it stays as it is.
    code, said = train(*args, '--resume', log=tmp_path / 'three')
    assert code == 0, said[-3000:]
    assert epochs_logged(tmp_path / 'w') == epochs_logged(pretrained)


PLAIN = """
import sys
import types

# What mmaction2 1.2 lacks itself: a module that it forgot to package, and an
# import that it does not declare (a stand-in only if it is not installed).
drn = types.ModuleType('drn')
drn.DRN = object
sys.modules['mmaction.models.localizers.drn.drn'] = drn
try:
    import importlib_metadata
except ImportError:
    import importlib.metadata
    sys.modules['importlib_metadata'] = importlib.metadata

import torch
from mmaction.models.backbones import ResNet2Plus1d
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

file = torch.load(sys.argv[1], weights_only=True)
assert set(file) == {'meta', 'state_dict'}, set(file)
text = file['meta']['cfg']
with open(sys.argv[2], 'w') as cfg_file:
    cfg_file.write(text)
cfg = Config.fromfile(sys.argv[2], import_custom_modules=False)
init_default_scope('mmaction')
net = MODELS.build(cfg.model.backbone)
assert type(net) is ResNet2Plus1d
backbone = {k[len('backbone.'):]: v for k, v in file['state_dict'].items()
            if k.startswith('backbone.')}
before = {k: v.clone() for k, v in net.state_dict().items()}
net.load_state_dict(backbone, strict=True)
after = net.state_dict()
assert len(after) == len(backbone) == len(before)
assert all(torch.equal(after[k], v) for k, v in backbone.items())
changed = sum(not torch.equal(before[k], v) for k, v in after.items())
net.eval()
with torch.no_grad():
    out = net(torch.ones(1, 3, 4, 16, 16))
assert out.isfinite().all() and out.std() > 0
assert not any(m.partition('.')[0] == 'mosi_mmaction' for m in sys.modules)
print(len(backbone), changed)
"""


@pytest.mark.slow
def test_published_file_needs_no_plugin(published, tmp_path):
    script = write(tmp_path / 'plain.py', PLAIN)
    done = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            str(script),
            str(published),
            str(tmp_path / 'meta cfg.py'),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    count, changed = map(int, done.stdout.split()[-2:])
    told = [k for k in weights(published) if k.startswith('backbone.')]
    assert count == len(told) > 60
    assert changed > 0.9 * count


@pytest.mark.slow
def test_files_say_what_made_them(pretrained, published):
    for path in (published, pretrained / 'epoch_4.pth'):
        meta = torch.load(path, weights_only=True)['meta']
        assert meta['seed'] == 3
        record = meta['mosi_mmaction']
        assert record['version'] == mosi_mmaction.__version__
        assert record['data']['type'] == 'DeadLeavesDataset'
        assert record['data']['samples'] == record['data']['num_images'] > 1
        pool = dict(record['label_pool'])
        assert tuple(pool.pop('names')) == LabelPool(**pool).names
        decoder, number = record['decoders']['video'].split()
        assert (decoder, number) == ('pyav', version('av'))
        assert f'opencv {cv2.__version__}' in record['decoders']['image']


# ------------------------------------------------------------- fine-tuning
@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp('few videos')
    write_action_videos(
        root, 2, 'few', num_frames=20, actions=('circle', 'shake')
    )
    return root


def finetune_config(path, videos, width=4):
    return write(
        path,
        FINETUNE.format(
            base=str(CONFIGS / 'tiny' / 'finetune_r2p1d_weizmann.py'),
            root=str(videos),
            width=width,
        ),
    )


@pytest.mark.slow
def test_fine_tuning_takes_every_backbone_tensor(published, videos, tmp_path):
    config = finetune_config(tmp_path / 'c.py', videos)
    code, said = train(
        config,
        '--work-dir',
        tmp_path / 'w',
        '--cfg-options',
        f'load_from={published}',
        'optim_wrapper.optimizer.lr=0.',
        'optim_wrapper.optimizer.weight_decay=0.',
        log=tmp_path / 'log',
    )
    assert code == 0, said[-3000:]
    given = {
        k: v
        for k, v in weights(published).items()
        if k.startswith('backbone.')
    }
    count = len(given)
    assert f'all {count} tensors of the backbone; new' in said
    assert 'do not match exactly' not in said
    assert 'acc/top1' in said
    # At a learning rate of zero they are still there in the end; batch
    # norm's averages are not learnt.
    got = weights(tmp_path / 'w' / 'epoch_1.pth')
    learnt = [k for k in given if 'running' not in k and 'tracked' not in k]
    assert len(learnt) > 0.4 * count
    assert all(torch.equal(got[k], given[k]) for k in learnt)


@pytest.mark.slow
def test_a_checkpoint_of_another_network_stops_with_the_list(
    published, videos, tmp_path
):
    init_default_scope('mmaction')
    other = MODELS.build(dict(type='ResNet2d3d', base_channels=4))
    state = {f'backbone.{k}': v for k, v in other.state_dict().items()}
    torch.save(dict(state_dict=state, meta={}), tmp_path / 'other.pth')
    narrow = finetune_config(tmp_path / 'narrow.py', videos)
    wide = finetune_config(tmp_path / 'wide.py', videos, width=8)
    for config, file, line in (
        (
            narrow,
            tmp_path / 'other.pth',
            'missing: backbone.layer1.0.conv1.conv.conv_s.weight',
        ),
        (
            wide,
            published,
            'another shape: backbone.layer4.0.conv2.bn.weight (32,) '
            'instead of (64,)',
        ),
    ):
        work_dir = tmp_path / config.stem
        code, said = train(
            config,
            '--work-dir',
            work_dir,
            '--cfg-options',
            f'load_from={file}',
            log=tmp_path / 'log',
        )
        assert code != 0
        assert 'ValueError' in said and line in said
        assert not list(work_dir.glob('*.pth'))


# -------------------------------------------------------- several processes
@pytest.mark.slow
def test_two_processes_train_save_and_resume(tmp_path):
    config = write(tmp_path / 'a config.py', PRETRAIN)
    work_dir = tmp_path / 'two ranks'

    def run(*args):
        done = subprocess.run(
            [
                'bash',
                str(TOOLS / 'dist_train.sh'),
                str(config),
                '2',
                '--work-dir',
                str(work_dir),
                *args,
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                'OMP_NUM_THREADS': '1',
                'CUDA_VISIBLE_DEVICES': '-1',
                'PYTHON': sys.executable,
            },
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout + done.stderr

    run('--cfg-options', 'train_cfg.max_epochs=1')
    first = weights(work_dir / 'epoch_1.pth')
    assert not any(k.startswith('module.') for k in first)
    run('--resume', '--cfg-options', 'train_cfg.max_epochs=2')
    assert epochs_logged(work_dir) == [1, 2]  # of one iteration each
    second = weights(work_dir / 'epoch_2.pth')
    moved = [k for k in first if not torch.equal(first[k], second[k])]
    assert len(moved) > 0.9 * len(first)
    # Two images on each of two processes are one step an epoch.
    state = torch.load(work_dir / 'epoch_2.pth', weights_only=True)[
        'optimizer'
    ]['state']
    assert {int(s['step']) for s in state.values()} == {2}
