"""Switches of the step: the same training, computed otherwise."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mosi_mmaction import config_path
from mosi_mmaction.engine.hooks.fast_model import FastModelHook
from mosi_mmaction.models.layers.folded_conv import FoldedConv3d
from mosi_mmaction.models.layers.padded_widths import (
    PaddedConv2plus1d,
    pad_widths,
)


def backbone():
    """R(2+1)D-10 with inner widths of which none is a multiple of 8."""
    cfg = Config.fromfile(config_path('tiny/mosi_r2p1d_deadleaves')).model
    cfg.backbone.base_channels = 5
    cfg.cls_head.in_channels = 40
    init_default_scope('mmaction')
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    return model.double().train()


def steps(model, fused=False, number=4):
    """Return outputs, gradients and weights of some optimizer steps."""
    optimizer = torch.optim.Adam(
        model.backbone.parameters(), 1e-3, fused=fused
    )
    rng = torch.Generator().manual_seed(1)
    found = []
    for _ in range(number):
        clips = torch.randn(3, 3, 4, 16, 16, generator=rng).double()
        out = model.backbone(clips)
        aim = torch.randn(out.shape, generator=rng).double()
        optimizer.zero_grad()
        (out * aim).mean().backward()
        found.append(out.detach().clone())
        found += [p.grad.clone() for p in model.backbone.parameters()]
        optimizer.step()
    model.eval()
    found.append(model.backbone(clips).detach())
    return found + [v.clone() for v in model.state_dict().values()]


def assert_same_training(one, other):
    assert len(one) == len(other) > 100
    for a, b in zip(one, other):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    'switches, kind',
    [
        (dict(fold='everywhere'), FoldedConv3d),
        (dict(pad_widths=True), PaddedConv2plus1d),
        (dict(fold='everywhere', pad_widths=True), PaddedConv2plus1d),
    ],
)
def test_forward_gradients_and_steps_are_the_same(switches, kind):
    model = backbone()
    other = copy.deepcopy(model)
    FastModelHook(**switches).before_run(SimpleNamespace(model=other))
    assert any(isinstance(module, kind) for module in other.modules())
    assert list(other.state_dict()) == list(model.state_dict())
    assert_same_training(steps(model), steps(other))


def test_fused_adam_takes_the_same_steps():
    model = backbone()
    other = copy.deepcopy(model)
    assert_same_training(steps(model), steps(other, fused=True))


def test_padded_is_computed_in_multiples_of_8():
    model = backbone()
    count = pad_widths(model)
    widths = []
    for module in model.modules():
        if type(module) is PaddedConv2plus1d:
            module.relu.register_forward_hook(
                lambda _, __, out: widths.append(out.shape[1])
            )
    model.backbone(torch.randn(2, 3, 4, 16, 16).double())
    assert count == len(widths) > 5
    assert all(width % 8 == 0 for width in widths)


def test_a_wrong_switch():
    with pytest.raises(ValueError, match="fold='gpu'.*everywhere"):
        FastModelHook(fold='gpu')
