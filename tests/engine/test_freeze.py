"""FreezeHook: which parts learn, and what stays in eval mode."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mosi_mmaction import FreezeHook, config_path, set_linear_probe


def network():
    torch.manual_seed(0)
    return nn.ModuleDict(
        dict(
            backbone=nn.Sequential(
                nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)
            ),
            head=nn.Linear(4, 2),
        )
    )


def train(model, hook, steps=3):
    """Train as a loop of MMEngine calls the hook; -> changed tensors."""
    runner = SimpleNamespace(model=model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    hook.before_train(runner)
    model.train()
    for step in range(steps):
        hook.before_train_iter(runner, step)
        loss = model['head'](model['backbone'](torch.randn(8, 4))).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {k for k, v in model.state_dict().items() if not v.equal(before[k])}


def test_a_part_stays_as_it_was_batch_norm_too():
    model = network()
    assert train(model, FreezeHook()) == {'head.weight', 'head.bias'}
    assert not model['backbone'].training and model['head'].training
    # Dropout drops nothing.
    x = torch.randn(8, 4)
    assert torch.equal(model['backbone'](x), model['backbone'](x))


def test_a_smaller_part():
    changed = train(network(), FreezeHook(prefix='backbone.0'))
    assert 'backbone.0.weight' not in changed
    assert {'backbone.1.weight', 'backbone.1.running_mean'} <= changed


def test_a_part_that_is_not_there():
    with pytest.raises(
        ValueError, match=r"prefix='neck'.*parts are \['backbone', 'head'\]"
    ):
        train(network(), FreezeHook(prefix='neck'))


@pytest.mark.parametrize(
    'network, hook',
    [('r2p1d', False), ('vit', True), ('mvit', True), ('swin', True)],
)
def test_who_freezes_the_backbone_of_a_linear_probe(network, hook):
    cfg = Config.fromfile(config_path(f'finetune_{network}_hmdb'))
    before = dict(cfg.model.backbone)
    set_linear_probe(cfg)
    assert ('freeze' in cfg.default_hooks) == hook
    # VisionTransformer would swallow frozen_stages and train on.
    assert (cfg.model.backbone == before) == hook
