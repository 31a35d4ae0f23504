"""Whole runs with a documented switch: the weights and the log of a stock run.

Switches that only round otherwise are compared in float64 by
tests/models/test_switches.py; those here change no bit.
"""

import copy
import json
import re

import mmengine.runner.runner as runner_module
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from helpers.paths import ROOT
from mosi_mmaction import config_path
from mosi_mmaction.engine.hooks.upload_ahead import UploadAhead
from mosi_mmaction.models.layers.folded_pool import FoldedMaxPool3d
from mosi_mmaction.synthetic.write import write_action_videos

DEFERRED = {
    'default_hooks.runtime_info': dict(
        type='DeferredRuntimeInfoHook', interval=2
    )
}
AHEAD = {'custom_hooks': [dict(type='UploadAheadHook')]}


class Watch(Hook):
    """Note what trains, in the middle of a run."""

    def after_train_iter(self, runner, batch_idx, *args, **kwargs):
        model = runner.model
        self.ahead = isinstance(runner.train_loop.dataloader, UploadAhead)
        self.pools = any(
            isinstance(m, FoldedMaxPool3d) for m in model.modules()
        )
        self.accuracy = 'loss_by_feat' in vars(model.cls_head)
        self.compiled = type(model.backbone).__module__.endswith(
            'compiled_training'
        )
        self.deferred = any(
            type(h).__name__.startswith('Deferred') for h in runner.hooks
        )


def run(cfg, folder, switch):
    """Train for two epochs of a full batch and a part; return what it left."""
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict(switch)
    cfg.work_dir = str(folder)
    # MMEngine hands the writers of a run to one of the same name and second.
    cfg.experiment_name = f'{folder.parent.name}_{folder.name}'
    cfg.log_level = 'ERROR'
    cfg.load_from = None
    cfg.randomness = dict(seed=0)
    cfg.train_dataloader.update(
        num_workers=0,
        persistent_workers=False,
        batch_size=2,
        batch_sampler=None,
        drop_last=False,
    )
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.param_scheduler = []
    cfg.default_hooks.logger.interval = 2
    runner = Runner.from_cfg(cfg)
    watch = Watch()
    runner.register_hook(watch)
    runner.train()
    (log,) = folder.rglob('scalars.json')
    told = [json.loads(line) for line in log.read_text().splitlines()]
    for line in told:
        for key in ('time', 'data_time', 'memory'):
            line.pop(key, None)
    return runner.model.state_dict(), told, vars(watch)


@pytest.fixture(scope='module', autouse=True)
def _no_versions():
    """Do not ask compilers and drivers for their versions, for the log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner_module, 'collect_env', dict)
        yield


@pytest.fixture(scope='module')
def stock(tmp_path_factory):
    """Return the config of a kind of run, and what it left behind."""
    root, cache = tmp_path_factory.mktemp('stock'), {}
    write_action_videos(
        root, 1, 'few', num_frames=24, actions=('circle', 'shake', 'bounce')
    )

    def of(kind):
        if kind not in cache:
            name = 'mosi_r2p1d_deadleaves'
            if kind == 'finetune':
                name = 'finetune_r2p1d_actions'
            cfg = Config.fromfile(config_path(f'tiny/{name}'))
            cfg.model.backbone.base_channels = 4
            cfg.model.cls_head.in_channels = 32
            cfg.default_hooks.fast = dict(type='FastModelHook')
            dataset = cfg.train_dataloader.dataset
            if kind == 'finetune':
                dataset.ann_file = str(root / 'few.txt')
                dataset.data_prefix = dict(video=str(root))
                dataset.indices = [0, 1, 2]
            else:
                dataset.num_images = 3
            cache[kind] = cfg, *run(cfg, root / kind, {})
        return cache[kind]

    return of


SWITCHES = [
    ('mosi', {'default_hooks.fast.fold_pools': True}, 'pools'),
    ('mosi', {'default_hooks.fast.compile': {'backend': 'eager'}}, 'compiled'),
    ('finetune', {'default_hooks.fast.accuracy_on_device': True}, 'accuracy'),
    ('mosi', DEFERRED, 'deferred'),
    ('finetune', DEFERRED, 'deferred'),
    ('mosi', AHEAD, 'ahead'),
    ('finetune', AHEAD, 'ahead'),
]


@pytest.mark.parametrize('kind, switch, part', SWITCHES, ids=str)
def test_run_is_the_stock_one_to_the_bit(kind, switch, part, stock, tmp_path):
    cfg, weights, log, before = stock(kind)
    found, told, during = run(cfg, tmp_path / 'run', switch)
    assert during == {**before, part: True} and not any(before.values())
    assert list(found) == list(weights)
    for name, value in weights.items():
        assert torch.equal(found[name], value), name
    assert len(log) >= 2 and 'loss' in log[0]
    assert told == log


def test_every_documented_switch_is_compared():
    page = (ROOT / 'docs' / 'benchmarks.md').read_text(encoding='utf-8')
    table = page.split('| switch | effect |')[1].split('\n\n')[0]
    switches = [row.split('|')[1] for row in table.splitlines()[2:]]
    documented = {re.findall(r'([\w.]+) ?=', text)[0] for text in switches}
    here = {
        key.removeprefix('default_hooks.fast.')
        for _, switch, _ in SWITCHES
        for key in switch
    }
    elsewhere = {
        'fold',  # these three in test_switches.py
        'pad_widths',
        'optim_wrapper.optimizer.fused',
        'model.data_preprocessor.dtype',  # in test_device_steps.py
    }
    assert documented == here | elsewhere
