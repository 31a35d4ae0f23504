"""Every shipped config builds, learns a step, is evaluated, and reloads.

Only what makes a run long or needs data is replaced: networks become narrow,
data sets few and small, and they are made here. Pipelines, heads, metrics,
schedules and hooks are those of the config.
"""

import copy
import logging
import math
from functools import cache
from pathlib import Path

import mmengine.config.config as config_module
import mmengine.runner.runner as runner_module
import pytest
import torch
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner
from PIL import Image

from helpers.motion_truth import textured_image
from helpers.paths import CONFIGS
from mosi_mmaction.synthetic.write import write_action_videos

NAMES = sorted(
    p.relative_to(CONFIGS).as_posix()
    for p in CONFIGS.rglob('*.py')
    if '_base_' not in p.parts
)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')

every_config = pytest.mark.parametrize('name', NAMES)


@cache
def load(name):  # for reading only
    return Config.fromfile(CONFIGS / name)


def dicts(node):
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node:
        if isinstance(child, (dict, list, tuple)):
            yield from dicts(child)


def of_type(node, kind):
    return [d for d in dicts(node) if d.get('type') == kind]


def structure(node):
    """All types of a config by their place; no numbers, no paths."""
    if isinstance(node, (list, tuple)):
        return tuple(structure(v) for v in node)
    if isinstance(node, dict):
        return tuple(
            (k, v if k == 'type' else structure(v))
            for k, v in sorted(node.items())
        )
    return None


def combinations():
    """Return one config for every combination of network, data and recipe.

    Of configs that share all types and the whole model but the number of
    classes, the first stands for all.
    """
    chosen = {}
    for name in NAMES:
        plain = load(name).to_dict()
        model = copy.deepcopy(plain['model'])
        model['cls_head'].pop('num_classes', None)
        chosen.setdefault((structure(plain), repr(model)), name)
    return sorted(chosen.values())


def is_pretraining(cfg):
    return cfg.model.cls_head.type == 'MoSIHead'


@pytest.fixture(autouse=True)
def _unformatted(monkeypatch):
    """Dump configs as they are: yapf is slow; test_config.py has it."""
    monkeypatch.setattr(
        config_module, 'FormatCode', lambda text, **_: (text, True)
    )


# ------------------------------------------------------------ small worlds
@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    """A few images and videos, as any config may ask for them."""
    root = tmp_path_factory.mktemp('a few sources')
    for i in range(2):
        Image.fromarray(textured_image((60, 70), i)).save(root / f'{i}.png')
    write_action_videos(
        root / 'videos', 1, 'few', num_frames=24, actions=('circle', 'shake')
    )
    return root


#: Arguments of transformers as narrow as they get, and channels of features.
NARROW = {
    'VisionTransformer': (dict(embed_dims=16, depth=1, num_heads=2), 16),
    'SwinTransformer3D': (
        dict(
            arch=dict(embed_dims=8, depths=[1, 2], num_heads=[1, 2]),
            out_indices=(1,),
        ),
        16,
    ),
    'MViT': (
        dict(
            arch=dict(
                embed_dims=8,
                num_layers=2,
                num_heads=1,
                downscale_indices=[1],
            )
        ),
        16,
    ),
}


def is_transformer(cfg):
    return cfg['model']['backbone']['type'] in NARROW


def narrow(model, channels=4):
    """Make the network narrow, and the head fit to it."""
    backbone = model['backbone']
    if backbone['type'] in NARROW:
        arguments, channels = copy.deepcopy(NARROW[backbone['type']])
        backbone.update(arguments)
        model['cls_head']['in_channels'] = channels
        return
    wide = MODELS.build(copy.deepcopy(backbone))
    if 'base_channels' in backbone or hasattr(wide, 'base_channels'):
        share = wide.base_channels // channels
        backbone['base_channels'] = channels
        if 'in_channels' in model['cls_head']:
            model['cls_head']['in_channels'] //= share


def small(cfg, sources):
    """Return the config for one iteration on data that is there."""
    cfg = copy.deepcopy(cfg)
    plain = cfg._cfg_dict
    init_default_scope('mmaction')
    narrow(plain['model'])
    for dataset in of_type(plain, 'SourceImageDataset'):
        videos = dataset.get('data_prefix') == 'videos'
        for key in ('ann_file', 'data_prefix', 'split', 'val_fraction'):
            dataset.pop(key, None)
        dataset['data_root'] = str(sources / 'videos' if videos else sources)
    for dataset in of_type(plain, 'DeadLeavesDataset'):
        dataset['num_images'] = 2
    for dataset in dicts(plain):
        if 'video' not in (dataset.get('data_prefix') or ()):
            continue
        dataset['ann_file'] = str(sources / 'videos' / 'few.txt')
        dataset['data_prefix'] = dict(video=str(sources / 'videos'))
        dataset['indices'] = [0]
    for name in LOADERS:
        loader = plain.get(name)
        if not loader:
            continue
        loader['batch_size'] = 1
        loader['num_workers'] = 0
        loader['persistent_workers'] = loader['pin_memory'] = False
        if not of_type(loader, 'ConcatDataset'):
            loader['num_batch_per_epoch'] = 1
    if plain.get('train_cfg'):
        plain['train_cfg'].update(max_epochs=1, val_interval=1)
    plain['load_from'] = None
    plain['log_level'] = 'ERROR'
    plain['visualizer'] = None
    return cfg


@pytest.fixture
def runner_of(monkeypatch):
    """Build runners; afterwards all is as if none had been."""
    count = len(DefaultScope._instance_dict)
    # Asks compilers and drivers for their versions, for the log.
    monkeypatch.setattr(runner_module, 'collect_env', dict)

    def build(cfg, work_dir):
        cfg.work_dir = str(work_dir)
        cfg.experiment_name = f'{work_dir.name}_{count}'
        return Runner.from_cfg(cfg)

    yield build
    for logger in MMLogger._instance_dict.values():
        for handler in list(logger.handlers):
            if isinstance(handler, logging.FileHandler):
                handler.close()
                logger.removeHandler(handler)


# --------------------------------------------------------- one step of each
class Watch(Hook):
    """Note what a run does."""

    def __init__(self):
        self.losses, self.metrics = [], None

    def before_train_epoch(self, runner):  # weights are initialised by now
        self.before = self.weights(runner)

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        self.losses.append(outputs['loss'].item())

    def after_val_epoch(self, runner, metrics=None):
        self.metrics = metrics

    def changed(self, runner):
        after = self.weights(runner)
        assert all(v.isfinite().all() for v in after.values())
        return {
            k for k, v in after.items() if not torch.equal(v, self.before[k])
        }

    def weights(self, runner):
        return {k: v.clone() for k, v in runner.model.state_dict().items()}


@pytest.mark.parametrize('name', combinations())
def test_it_learns_a_step_and_is_evaluated(name, sources, tmp_path, runner_of):
    cfg = small(load(name), sources)
    runner = runner_of(cfg, tmp_path / Path(name).stem)
    watch = Watch()
    if cfg.get('train_cfg'):
        runner.register_hook(watch)
        runner.train()
        assert len(watch.losses) == 1 and math.isfinite(watch.losses[0])
        changed = watch.changed(runner)
        trained = {
            n for n, p in runner.model.named_parameters() if p.requires_grad
        }
        if cfg.model.backbone.get('frozen_stages', -1) == 4:
            # A linear probe: nothing else, not even batch norm's averages.
            assert (
                changed
                == trained
                == {'cls_head.fc_cls.weight', 'cls_head.fc_cls.bias'}
            )
        else:
            assert trained == {n for n, _ in runner.model.named_parameters()}
            assert len(changed & trained) > 0.9 * len(trained)
    metrics = watch.metrics
    if cfg.get('val_dataloader') != cfg.test_dataloader:
        metrics = runner.test()
    key = dict(
        MoSIMetric='pretext/top1',
        AccMetric='acc/top1',
        NearestNeighborMetric='retrieval/R@1',
    )
    assert 0 <= metrics[key[cfg.test_evaluator.type]] <= 1


@every_config
def test_it_dumps_and_reloads_to_an_equal_config(name, tmp_path):
    cfg = load(name)
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == cfg.to_dict()
    assert cfg.custom_imports.imports == ['mosi_mmaction']
    assert cfg.default_scope == 'mmaction'


# ------------------------------------------------ what configs promise
@every_config
def test_pools_agree_everywhere(name):
    cfg = load(name)
    draws = of_type(cfg._cfg_dict, 'DrawPseudoMotion')
    assert bool(draws) == is_pretraining(cfg)
    if draws:
        head = MODELS.build(cfg.model.cls_head)
        assert all(TRANSFORMS.build(d).pool == head.pool for d in draws)


@every_config
def test_streams_and_seeds(name):
    plain = load(name)._cfg_dict
    for loader in LOADERS:
        if not plain.get(loader):
            continue
        assert plain[loader]['sampler'] == dict(
            type='EpochSampler', shuffle=loader == 'train_dataloader'
        )
        for holder in dicts(plain[loader]):
            if 'pipeline' in holder:
                kinds = [
                    s['type']
                    for s in holder['pipeline']
                    if s['type'] != 'SetRole'
                ]
                assert kinds[0] == 'SeedSample'
                assert holder.get('test_mode', False) == (
                    loader != 'train_dataloader'
                )


@every_config
def test_no_training_source_is_held_out(name):
    plain = load(name)._cfg_dict
    if not plain.get('train_dataloader'):
        return

    def identity(loader):
        dataset = plain[loader]['dataset']
        return {
            k: v
            for k, v in dataset.items()
            if k in ('ann_file', 'split', 'seed')
        }

    train = identity('train_dataloader')
    assert train
    for loader in LOADERS[1:]:
        held_out = identity(loader)
        assert any(train.get(k) != held_out.get(k) for k in held_out)
        for key in ('val_fraction', 'data_root'):
            dataset = plain[loader]['dataset']
            assert dataset.get(key) == plain['train_dataloader'][
                'dataset'
            ].get(key)


@every_config
def test_batches_and_rates_belong_together(name):
    plain = load(name)._cfg_dict
    if not plain.get('train_dataloader'):
        return
    batch = plain['train_dataloader']['batch_size']
    gpus = 1 if name.startswith(('tiny/', 'small/')) else 8
    assert plain['auto_scale_lr'] == dict(
        enable=False, base_batch_size=gpus * batch
    )
    epochs = plain['train_cfg']['max_epochs']
    if name.startswith(('tiny/', 'small/')) and not is_transformer(plain):
        warmup, cosine = plain['param_scheduler']
        assert warmup['end'] == cosine['begin'] < cosine['end'] == epochs
        assert cosine['T_max'] == epochs - cosine['begin']
        assert cosine['eta_min'] == 0
    else:
        (schedule,) = plain['param_scheduler']
        assert schedule['max_epochs'] == epochs
    decay = plain['optim_wrapper']['paramwise_cfg']
    assert decay['norm_decay_mult'] == 0.0
    assert (len(decay) > 1) == is_transformer(plain)


@every_config
def test_checkpoints_are_checked(name):
    cfg = load(name)
    assert cfg.default_hooks.loaded == dict(
        type='CheckLoadedHook', prefix='backbone.'
    )
    if is_pretraining(cfg):
        assert cfg.load_from is None
    else:
        assert cfg.load_from.endswith('.pth')


def test_full_size_networks():
    told = {
        'mosi_r2p1d_hmdb.py': 14_414_625,
        'mosi_r2p1d-paper_hmdb.py': 14_365_477,
        'mosi_r2d3d_hmdb.py': 14_057_536,
    }
    init_default_scope('mmaction')
    for name, number in told.items():
        backbone = MODELS.build(load(name).model.backbone)
        assert sum(p.numel() for p in backbone.parameters()) == number


def test_ten_clips_at_test():
    for name in NAMES:
        cfg = load(name)
        kinds = ('SampleFrames', 'SampleFramesAtRate')
        found = [s for k in kinds for s in of_type(cfg.test_dataloader, k)]
        assert bool(found) != is_pretraining(cfg), name
        for step in found:
            assert step['num_clips'] == 10 and step['test_mode'], name
