"""Seeds, and runs that repeat themselves to the bit."""

import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import mmaction
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from helpers import launch
from helpers.precision_runs import config, trained
from mosi_mmaction import (
    DeterministicHook,
    config_path,
)
from mosi_mmaction.synthetic.write import write_action_videos


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp('videos')
    write_action_videos(
        root, 2, 'few', num_frames=20, actions=('circle', 'shake')
    )
    return root


def run_stock_tool(*args):
    """Run the tools/train.py that MMAction2's wheel has."""
    path = Path(mmaction.__file__).parent / '.mim' / 'tools' / 'train.py'
    sys.argv = [str(path), *map(str, args)]
    runpy.run_path(str(path), run_name='__main__')


@pytest.mark.slow
def test_the_seed_of_the_stock_tool_is_the_seed(videos, tmp_path):
    file = config(tmp_path / 'c.py', videos)
    args = file, '--work-dir', tmp_path / 'w', '--seed', 7, '--no-validate'
    job = launch.start(run_stock_tool, *args, log=tmp_path / 'log')
    job.join(240)
    assert job.exitcode == 0, (tmp_path / 'log').read_text()[-3000:]
    assert torch.load(tmp_path / 'w' / 'epoch_1.pth')['meta']['seed'] == 7


@pytest.mark.parametrize(
    'text, args, randomness',
    [
        ('', [], dict(seed=0)),
        ('', ['--seed', '7'], dict(seed=7)),
        ('randomness = dict(seed=None)', [], dict(seed=None)),
        (
            'randomness = dict(deterministic=True)',
            [],
            dict(seed=0, deterministic=True),
        ),
        (
            '',
            ['--cfg-options', 'randomness.seed=3', '--deterministic'],
            dict(seed=3, deterministic=True),
        ),
        (
            'randomness = dict(seed=5)',
            ['--seed', '6', '--diff-rank-seed'],
            dict(seed=6, diff_rank_seed=True),
        ),
    ],
)
def test_seeds(text, args, randomness, monkeypatch, tmp_path):
    cfg = trained(monkeypatch, tmp_path, *args, text=text)
    assert cfg.randomness == randomness


# ----------------------------------------------------------- deterministic
NETWORKS = [
    'mosi_r2p1d_hmdb',
    'mosi_r2p1d-paper_hmdb',
    'mosi_r2d3d_hmdb',
    'finetune_r2p1d_hmdb',
    'finetune_r2p1d-paper_hmdb',
    'finetune_r2d3d_hmdb',
]


def nodes_of(loss):
    """The names of all operations that a gradient goes through."""
    nodes, seen = [loss.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node not in seen:
            seen.add(node)
            nodes += [n for n, _ in node.next_functions if n]
    return {node.name() for node in seen}


@pytest.mark.parametrize('name', NETWORKS)
def test_no_network_has_a_gradient_without_order(name):
    init_default_scope('mmaction')
    cfg = Config.fromfile(config_path(name))
    width = cfg.model.backbone.get('base_channels', 64)
    cfg.model.backbone.base_channels = 4
    cfg.model.cls_head.in_channels //= width // 4
    net = MODELS.build(cfg.model)
    clip = torch.randn(2, 3, 8, 32, 32)
    stock = nodes_of(net.cls_head(net.backbone(clip)).sum())
    said = []
    DeterministicHook().before_run(
        SimpleNamespace(model=net, logger=SimpleNamespace(warning=said.append))
    )
    names = nodes_of(net.cls_head(net.backbone(clip)).sum())
    assert not said
    pools = {n for n in names if 'Pool' in n}
    assert pools <= {'MaxPool2DWithIndicesBackward0'}, pools
    if 'paper' not in name:  # which has no pool
        assert pools and 'MaxPool3DWithIndicesBackward0' in stock


def test_what_cannot_be_deterministic_is_named():
    net = nn.Sequential(nn.Conv3d(1, 1, 1), nn.AvgPool3d(2), nn.MaxPool3d(2))
    net.add_module('mean', nn.AdaptiveAvgPool3d(1))
    net.add_module('end', nn.AdaptiveAvgPool3d((1, 2, 2)))
    said = []
    runner = SimpleNamespace(
        model=net, logger=SimpleNamespace(warning=said.append)
    )
    DeterministicHook().before_run(runner)
    assert not said  # all of it is deterministic on a CPU
    runner.model = net.to('meta')
    DeterministicHook().before_run(runner)
    assert '1 (AvgPool3d), end (AdaptiveAvgPool3d)' in said[0]


@pytest.mark.slow
def test_a_deterministic_run_trains(videos, tmp_path):
    file = config(tmp_path / 'c.py', videos)
    args = file, '--work-dir', tmp_path / 'w', '--deterministic'
    log = tmp_path / 'log'
    assert launch.run('train.py', *args, log=log) == 0, log.read_text()
    # The console has a summary; the whole environment is in the file.
    [full] = (tmp_path / 'w').glob('*/*.log')
    assert 'deterministic: True' in full.read_text()


def train_on_the_gpu(file, work_dir):
    """As launch.run, which hides the GPU."""
    import subprocess

    subprocess.run(
        [
            *(sys.executable, launch.TOOLS / 'train.py', file),
            *('--work-dir', work_dir, '--deterministic', '--no-validate'),
        ],
        check=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    return torch.load(work_dir / 'epoch_1.pth')['state_dict']


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_deterministic_run_on_a_gpu_repeats_itself(videos, tmp_path):
    file = config(tmp_path / 'c.py', videos)
    one, other = (train_on_the_gpu(file, tmp_path / n) for n in 'ab')
    assert all(torch.equal(one[k], other[k]) for k in one)
