"""What docs/your_project.md says, in a project with a config of its own."""

import re

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.runner import Runner

import mosi_mmaction  # noqa: F401
from helpers.odd_files import write_video
from helpers.paths import DOCS
from mosi_mmaction import set_clips, set_motion

OWN = (
    'mmaction::recognition/slowonly/'
    'slowonly_r50_8xb16-4x16x1-256e_kinetics400-rgb.py'
)
FEW = dict(num_workers=0, persistent_workers=False, batch_size=2)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A config of MMAction2, videos, photographs, and the page's configs."""
    monkeypatch.chdir(tmp_path)
    own = get_config(OWN)
    own.model.cls_head.num_classes = 51
    for part in ('train', 'val'):
        own[f'{part}_dataloader'].dataset.update(
            ann_file='list.txt', data_prefix=dict(video='')
        )
    own.dump('slowonly.py')
    (tmp_path / 'list.txt').write_text('a.avi 0\nb.avi 50\n')
    (tmp_path / 'photos').mkdir()
    rng = np.random.default_rng(0)
    for name in 'ab':
        write_video(tmp_path / f'{name}.avi')
        image = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        cv2.imwrite(f'photos/{name}.png', image)
    text = (DOCS / 'your_project.md').read_text()
    for code in re.findall(r'^```python\n(.*?)^```', text, re.M | re.S):
        (name,) = re.findall(r'^# (\w+\.py)', code)
        (tmp_path / name).write_text(code)
    return tmp_path


def train(cfg, name):
    """Train one epoch of a narrow network, in few steps."""
    cfg.model.backbone.update(base_channels=4, stage_blocks=(1, 1, 1, 1))
    cfg.model.cls_head.in_channels = 128
    cfg.train_dataloader.update(FEW)
    cfg.val_dataloader.update(FEW)
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.param_scheduler = []
    cfg.work_dir = f'work_dirs/{name}'
    cfg.experiment_name = name
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter == 1
    return runner


def test_a_network_is_pretrained_and_fine_tuned(project):
    cfg = Config.fromfile('slowonly_mosi.py')
    set_motion(cfg, clip_len=4, crop_size=32, color_jitter=None)
    for part in ('train', 'val'):
        cfg[f'{part}_dataloader'].dataset.split = None
    first = train(cfg, 'slowonly_mosi')
    assert first.message_hub.get_scalar('val/pretext/top1').current() <= 1

    cfg = Config.fromfile('slowonly_from_mosi.py')
    set_clips(cfg, size=32)
    with pytest.raises(FileNotFoundError, match=r'epoch_100\.pth'):
        train(cfg.copy(), 'too early')
    cfg.load_from = 'work_dirs/slowonly_mosi/epoch_1.pth'
    cfg.optim_wrapper.optimizer.lr = 0.0
    second = train(cfg, 'slowonly_from_mosi')
    ours, theirs = (r.model.backbone.state_dict() for r in (first, second))
    assert ours.keys() == theirs.keys()
    assert all(
        ours[k].equal(theirs[k]) for k in ours if k.endswith('conv.weight')
    )
    (log,) = (project / cfg.work_dir).glob('*/*.log')
    assert f'all {len(ours)} tensors of the backbone' in log.read_text()


def test_the_other_configs_of_the_page(project):
    cfg = Config.fromfile('mosi_iterations.py')
    assert cfg.train_cfg == dict(
        type='IterBasedTrainLoop', max_iters=1000, val_interval=100
    )
    assert cfg.train_dataloader.sampler.type == 'EpochSampler'
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    for part in ('train', 'val'):
        loader = cfg[f'{part}_dataloader']
        loader.update(FEW)
        loader.dataset.update(data_root='photos', split=None)
    cfg.work_dir = cfg.experiment_name = 'iterations'
    cfg.default_hooks.checkpoint.interval = 2
    Runner.from_cfg(cfg).train()
    assert (project / 'iterations' / 'iter_2.pth').is_file()

    hooks = Config.fromfile('my_finetuning.py').default_hooks
    assert 'loaded' not in hooks and 'labels' in hooks
