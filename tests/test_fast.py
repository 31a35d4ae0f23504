"""The fast recipe: the same training, in bfloat16 and channels last."""
import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from mosi_mmaction import DeadLeavesDataset, config_path
from mosi_mmaction.datasets.streams import EpochIndex
from mosi_mmaction.fast import FastModelHook, fast_recipe

TINY = 'tiny/mosi_r2p1d_deadleaves'


def tiny_config():
    """Narrow network, three x-speeds, no mask: learnt within some steps."""
    cfg = Config.fromfile(config_path(TINY))
    cfg.default_hooks.pop('fast', None)  # the tiny family has parts of it
    cfg.model.data_preprocessor.channels_last = False
    cfg.model.backbone.base_channels = 4
    cfg.model.cls_head.update(in_channels=32, num_speeds=3, axes='x')
    pipeline = [s for s in cfg.train_dataloader.dataset.pipeline
                if s['type'] != 'DrawStaticMask']
    for step in pipeline:
        if step['type'] == 'DrawPseudoMotion':
            step.update(num_speeds=3, axes='x')
    cfg.train_dataloader.dataset.pipeline = pipeline
    return cfg


def build(cfg):
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    hook = dict(cfg.default_hooks.get('fast') or {})
    if hook:
        assert hook.pop('type') == 'FastModelHook'
        FastModelHook(**hook).before_run(SimpleNamespace(model=model))
    return model, build_optim_wrapper(model, cfg.optim_wrapper)


def train(model, optim_wrapper, batch):
    return model.train_step(copy.deepcopy(batch), optim_wrapper)[
        'loss'].item()


@pytest.mark.slow
def test_loss_curve_is_that_of_the_stock_recipe():
    stock = tiny_config()
    fast = copy.deepcopy(stock)
    fast_recipe(fast)
    data = DeadLeavesDataset(**dict(
        {k: v for k, v in stock.train_dataloader.dataset.items()
         if k != 'type'}, num_images=240))
    batches = [
        pseudo_collate([data[EpochIndex(i, seed=0, epoch=0)]
                        for i in range(k, k + 6)])
        for k in range(0, 240, 6)]
    one, beside, free = build(stock), build(fast), build(fast)
    curves = []
    for batch in batches:
        # Two trainings drift apart whatever differs between them, so the
        # one beside takes its step from where the stock one is.
        beside[0].load_state_dict(one[0].state_dict())
        curves.append([train(*one, batch), train(*beside, batch),
                       train(*free, batch)])
    stock_loss, fast_loss, free_loss = np.array(curves).T
    # bfloat16 has 8 bits: each layer's result is off by up to 0.4 %.
    np.testing.assert_allclose(fast_loss, stock_loss, rtol=0.03, atol=0.01)
    # Both learn: from ln 3 down to less than 0.6 of it.
    assert stock_loss[:3].mean() == pytest.approx(np.log(3), abs=0.15)
    for curve in (stock_loss, free_loss):
        assert curve[-5:].mean() < 0.6 * np.log(3)


@pytest.mark.parametrize('channels_last', [True, False])
def test_weights_change_their_format_and_nothing_else(channels_last):
    model, _ = build(tiny_config())
    before = copy.deepcopy(model.state_dict())
    parameters = list(model.parameters())
    hook = FastModelHook(channels_last=channels_last)
    hook.before_run(SimpleNamespace(model=model))
    after = model.state_dict()
    assert list(after) == list(before)
    convolutions = 0
    for name, value in after.items():
        assert torch.equal(value, before[name]), name
        if value.ndim == 5 and min(value.shape[1], value[0, 0].numel()) > 1:
            convolutions += 1
            assert value.is_contiguous(
                memory_format=torch.channels_last_3d) == channels_last, name
    assert convolutions > 10
    # An optimizer holds the very same parameters.
    assert all(a is b for a, b in zip(parameters, model.parameters()))


def test_compiled_backbone_keeps_its_names():
    model, _ = build(tiny_config())
    names = list(model.state_dict())
    weights = model.backbone.state_dict()
    model.backbone.load_state_dict(weights)
    clips = torch.randn(2, 3, 4, 16, 16)
    model.eval()
    expected = model.backbone(clips)
    FastModelHook(compile=dict(backend='eager')).before_run(
        SimpleNamespace(model=model))
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model.backbone(clips), expected)


@pytest.mark.parametrize('name', [TINY, 'mosi_r2p1d_hmdb',
                                  'finetune_r2p1d_hmdb'])
def test_one_line_makes_a_config_fast(name, tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f'_base_ = [{config_path(name)!r}]\n'
        "__import__('mosi_mmaction.fast').fast.fast_recipe(_base_)\n"
        "custom_hooks = [dict(type='EMAHook')]\n")
    stock, fast = Config.fromfile(config_path(name)), Config.fromfile(leaf)
    fast.dump(tmp_path / 'dumped.py')
    for cfg in (fast, Config.fromfile(tmp_path / 'dumped.py')):
        assert cfg.default_hooks == dict(
            stock.default_hooks,
            fast=dict(type='FastModelHook', compile=False))
        assert cfg.optim_wrapper == dict(
            stock.optim_wrapper, type='AutocastOptimWrapper')
        expected = dict(stock.model.data_preprocessor)
        if expected['type'] == 'MoSIDataPreprocessor':
            expected['channels_last'] = True
        assert cfg.model == dict(stock.model, data_preprocessor=expected)
        assert cfg.train_dataloader == stock.train_dataloader


def test_fast_twice_is_fast():
    cfg = tiny_config()
    fast_recipe(cfg)
    once = copy.deepcopy(cfg)
    fast_recipe(cfg)
    assert cfg.to_dict() == once.to_dict()


@pytest.mark.parametrize('wrapper, said', [
    (dict(type='AmpOptimWrapper', dtype='float16'), "'AmpOptimWrapper'"),
    (None, 'None')])
def test_other_optimizer_wrappers(wrapper, said):
    cfg = dict(optim_wrapper=wrapper)
    with pytest.raises(ValueError, match=f'optim_wrapper is {said}'):
        fast_recipe(cfg)
