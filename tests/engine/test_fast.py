"""The fast recipe: the same training, in other formats and orders."""

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
from mosi_mmaction.config.running import fast_recipe
from mosi_mmaction.datasets.samplers.epoch_sampler import EpochIndex
from mosi_mmaction.engine import autocast as amp
from mosi_mmaction.engine.hooks.fast_model import FastModelHook
from mosi_mmaction.models.layers.folded_conv import (
    FoldedConv3d,
    fold_convolutions,
)

TINY = 'tiny/mosi_r2p1d_deadleaves'


def tiny_config():
    """Narrow network, three x-speeds, no mask: learnt within some steps."""
    cfg = Config.fromfile(config_path(TINY))
    cfg.default_hooks.pop('fast', None)  # the tiny family has parts of it
    cfg.model.data_preprocessor.channels_last = False
    cfg.model.backbone.base_channels = 4
    cfg.model.cls_head.update(in_channels=32, num_speeds=3, axes='x')
    pipeline = [
        s
        for s in cfg.train_dataloader.dataset.pipeline
        if s['type'] != 'DrawStaticMask'
    ]
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
    return model.train_step(copy.deepcopy(batch), optim_wrapper)['loss'].item()


@pytest.mark.slow
@pytest.mark.parametrize('bfloat16', [True, False])
def test_loss_curve_is_that_of_the_stock_recipe(bfloat16, monkeypatch):
    native = amp.cpu_has_bfloat16()
    monkeypatch.setattr(amp, 'cpu_has_bfloat16', lambda: bfloat16)
    stock = tiny_config()
    fast = copy.deepcopy(stock)
    fast_recipe(fast)
    data = DeadLeavesDataset(
        **dict(
            {
                k: v
                for k, v in stock.train_dataloader.dataset.items()
                if k != 'type'
            },
            num_images=240,
        )
    )
    batches = [
        pseudo_collate(
            [data[EpochIndex(i, seed=0, epoch=0)] for i in range(k, k + 6)]
        )
        for k in range(0, 240, 6)
    ]
    # Imitated bfloat16 has no gradients to go on with, see the wrapper.
    goes_on = native or not bfloat16
    one, beside, free = build(stock), build(fast), build(fast)
    curves = []
    for batch in batches:
        # Two trainings drift apart whatever differs between them, so the
        # one beside takes its step from where the stock one is.
        beside[0].load_state_dict(one[0].state_dict())
        curves.append(
            [
                train(*one, batch),
                train(*beside, batch),
                train(*free, batch) if goes_on else 0.0,
            ]
        )
    stock_loss, fast_loss, free_loss = np.array(curves).T
    # bfloat16 has 8 bits: each layer's result is off by up to 0.4 %.
    rtol, atol = (0.03, 0.01) if bfloat16 else (1e-4, 1e-5)
    np.testing.assert_allclose(fast_loss, stock_loss, rtol=rtol, atol=atol)
    assert any(
        isinstance(module, FoldedConv3d) for module in free[0].modules()
    )
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
            assert (
                value.is_contiguous(memory_format=torch.channels_last_3d)
                == channels_last
            ), name
    assert convolutions > 10
    # An optimizer holds the very same parameters.
    assert all(a is b for a, b in zip(parameters, model.parameters()))


# ------------------------------------------------------- folded convolutions
def run(conv, clip):
    conv.zero_grad()
    clip = clip.detach().clone().requires_grad_()
    out = conv(clip)
    # Not the sum, whose gradient is the same everywhere.
    torch.manual_seed(1)
    (out * torch.randn_like(out.contiguous())).sum().backward()
    return [out, clip.grad, *(p.grad.clone() for p in conv.parameters())]


@pytest.mark.parametrize(
    'kernel, stride, padding',
    [
        ((1, 3, 3), 1, (0, 1, 1)),
        ((1, 7, 7), (1, 2, 2), (0, 3, 3)),
        ((1, 3, 2), (1, 2, 1), (0, 0, 1)),
        ((1, 1, 1), 1, 0),
        ((1, 1, 1), (1, 2, 2), 0),
        ((1, 1, 1), (2, 1, 1), 0),
        ((3, 1, 1), 1, (1, 0, 0)),
        ((3, 1, 1), (2, 1, 1), (1, 0, 0)),
        ((7, 1, 1), (2, 1, 1), (3, 0, 0)),
        ((2, 1, 1), (3, 1, 1), 0),
        ((5, 1, 1), 1, (4, 0, 0)),
        ((4, 1, 1), (4, 1, 1), (2, 0, 0)),
    ],
)
@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('batch, frames', [(1, 8), (3, 5), (2, 4)])
def test_folded_is_the_same_convolution(
    kernel, stride, padding, bias, batch, frames
):
    torch.manual_seed(0)
    conv = torch.nn.Conv3d(5, 6, kernel, stride, padding, bias=bias)
    clip = torch.randn(batch, 5, frames, 7, 9)
    expected = run(conv, clip)
    assert fold_convolutions(conv) == 1 and type(conv) is FoldedConv3d
    for layout in (torch.contiguous_format, torch.channels_last_3d):
        found = run(conv, clip.contiguous(memory_format=layout))
        assert found[0].is_contiguous(memory_format=torch.channels_last_3d)
        for one, other in zip(found, expected):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    # Elsewhere it is what it was.
    half = conv.to(torch.bfloat16)(clip.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected[0], rtol=0.05, atol=0.1)


def test_what_is_no_factor_is_left_alone():
    convs = [
        torch.nn.Conv3d(4, 4, 3),
        torch.nn.Conv3d(4, 4, (1, 3, 3), (2, 1, 1)),
        torch.nn.Conv3d(4, 4, (3, 1, 1), (1, 2, 2)),
        torch.nn.Conv3d(4, 4, (1, 3, 3), padding=1),
        torch.nn.Conv3d(4, 4, (1, 3, 3), groups=2),
        torch.nn.Conv3d(4, 4, (3, 1, 1), dilation=(2, 1, 1)),
        torch.nn.Conv3d(4, 4, (1, 3, 3), padding='same'),
        torch.nn.Conv3d(
            4, 4, (1, 3, 3), padding=(0, 1, 1), padding_mode='reflect'
        ),
        torch.nn.Conv2d(4, 4, 3),
    ]
    types = [type(conv) for conv in convs]
    assert fold_convolutions(torch.nn.Sequential(*convs)) == 0
    assert [type(conv) for conv in convs] == types


def test_folding_finds_all_of_r2p1d():
    model, _ = build(tiny_config())
    before = dict(model.state_dict())
    clips = torch.randn(2, 3, 8, 16, 16)
    model.eval()
    expected = model.backbone(clips)
    parts = [
        m for m in model.backbone.modules() if isinstance(m, torch.nn.Conv3d)
    ]
    # All but the shortcuts, which leave out frames and pixels at once.
    strided = [
        m
        for m in parts
        if m.kernel_size == (1, 1, 1) and m.stride == (2, 2, 2)
    ]
    assert fold_convolutions(model) == len(parts) - len(strided)
    assert len(parts) > 20 and len(strided) < 4
    torch.testing.assert_close(
        model.backbone(clips), expected, rtol=1e-4, atol=1e-5
    )
    assert list(model.state_dict()) == list(before)
    copied = copy.deepcopy(model)
    torch.testing.assert_close(
        copied.backbone(clips), expected, rtol=1e-4, atol=1e-5
    )


def test_compiled_backbone_keeps_its_names():
    model, _ = build(tiny_config())
    names = list(model.state_dict())
    weights = model.backbone.state_dict()
    model.backbone.load_state_dict(weights)
    clips = torch.randn(2, 3, 4, 16, 16)
    model.eval()
    expected = model.backbone(clips)
    FastModelHook(compile=dict(backend='eager')).before_run(
        SimpleNamespace(model=model)
    )
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model.backbone(clips), expected)
    assert type(copy.deepcopy(model).backbone) is type(model.backbone)


@pytest.mark.parametrize(
    'name', [TINY, 'mosi_r2p1d_hmdb', 'finetune_r2p1d_hmdb']
)
def test_one_line_makes_a_config_fast(name, tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(
        f'_base_ = [{config_path(name)!r}]\n'
        'from mosi_mmaction import fast_recipe\n'
        'fast_recipe(_base_)\n'
        "custom_hooks = [dict(type='EMAHook')]\n"
    )
    stock, fast = Config.fromfile(config_path(name)), Config.fromfile(leaf)
    fast.dump(tmp_path / 'dumped.py')
    for cfg in (fast, Config.fromfile(tmp_path / 'dumped.py')):
        assert cfg.default_hooks == dict(
            stock.default_hooks,
            fast=dict(
                type='FastModelHook',
                compile=False,
                fold=True,
                keep_memory=True,
            ),
        )
        assert cfg.optim_wrapper == dict(
            stock.optim_wrapper, type='AutocastOptimWrapper'
        )
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


def test_other_optimizer_wrappers():
    cfg = dict(optim_wrapper=dict(type='AmpOptimWrapper', dtype='float16'))
    with pytest.raises(ValueError, match="optim_wrapper is 'AmpOptimWrapper'"):
        fast_recipe(cfg)
