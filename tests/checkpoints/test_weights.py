"""Weights by name: compared, freed of prefixes, found inside a wrapper."""

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from torch import nn

from mosi_mmaction.checkpoints.weights import (
    backbone_weights,
    checkpoint_weights,
    compare_weights,
    describe_shapes,
    unwrap_model,
)


def test_a_wrapped_model_is_unwrapped(monkeypatch):
    net = nn.Linear(2, 3)
    wrapped = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapped)
    wrapped.module = net
    assert unwrap_model(wrapped) is net
    assert unwrap_model(net) is net


@pytest.mark.parametrize('key', [None, 'state_dict'])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_names_are_those_of_the_unwrapped_model(key, prefix):
    weights = {'backbone.a': 1, 'cls_head.module.b': 2}
    file = {prefix + name: value for name, value in weights.items()}
    file = {key: file} if key else file
    assert checkpoint_weights(file) == weights
    assert backbone_weights(file) == {'a': 1}


def test_a_backbone_alone_has_no_prefix():
    assert backbone_weights({'state_dict': {'a': 1, 'b': 2}}) == dict(a=1, b=2)


def test_what_differs_is_named():
    wanted = {k: torch.zeros(2, 3) for k in 'abcd'}
    given = dict(a=torch.ones(2, 3), b=torch.ones(3, 2), c='no tensor', e=1)
    found = compare_weights(wanted, given)
    assert found.missing == ['d']
    assert found.reshaped == ['b', 'c']
    assert found.unknown == ['e']
    assert describe_shapes(found.reshaped, wanted, given) == [
        'b (3, 2) instead of (2, 3)',
        'c None instead of (2, 3)',
    ]
    assert not any(compare_weights(wanted, dict(wanted)))
