import math

import pytest
import torch
from mmaction.registry import MODELS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mosi_mmaction.models.backbones.paper_resnet import (
    MoSIResNet2Plus1d,
    ResNet2d3d,
)

BOTH = pytest.mark.parametrize('cls', [MoSIResNet2Plus1d, ResNet2d3d])


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def tiny(cls, **kwargs):
    return cls(base_channels=4, **kwargs)


def batch(n=3):
    return torch.randn(n, 3, 8, 64, 64)


@pytest.mark.parametrize(
    'name, parameters, stem, shape',
    [
        ('MoSIResNet2Plus1d', 14_365_477, (64, 16, 56, 56), (512, 2, 7, 7)),
        ('ResNet2d3d', 14_057_536, (64, 16, 28, 28), (256, 4, 4, 4)),
    ],
)
def test_defaults_are_the_networks_of_the_paper(name, parameters, stem, shape):
    net = MODELS.build({'type': name}).eval()
    assert sum(p.numel() for p in net.parameters()) == parameters
    seen = []
    net.layer1.register_forward_pre_hook(lambda _, x: seen.append(x[0].shape))
    with torch.no_grad():
        out = net(torch.randn(1, 3, 16, 112, 112))
    assert seen == [(1, *stem)]
    assert out.shape == (1, *shape)
    assert net.feat_dim == shape[0]


@BOTH
def test_batch_norm_is_that_of_the_authors(cls):
    norms = [m for m in tiny(cls).modules() if isinstance(m, _BatchNorm)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.1)}


@BOTH
def test_norm_cfg_reaches_every_norm_and_keeps_eps(cls):
    net = tiny(cls, norm_cfg={'type': 'SyncBN', 'momentum': 0.3})
    norms = [m for m in net.modules() if isinstance(m, _BatchNorm)]
    assert len(norms) > 8
    assert all(isinstance(m, nn.SyncBatchNorm) for m in norms)
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.3)}


@BOTH
@pytest.mark.parametrize('initialised', [False, True])
def test_weights_start_from_torch_defaults(cls, initialised):
    """Uniform within 1 / sqrt(fan in); the stock init is normal."""
    net = cls(base_channels=16)
    if initialised:
        nn.init.constant_(net.conv1.bn.weight, 7)
        net.init_weights()
    convs = [m for m in net.modules() if isinstance(m, nn.Conv3d)]
    for conv in convs:
        bound = 1 / math.sqrt(conv.weight[0].numel())
        assert 0.9 * bound < conv.weight.abs().max() <= bound
        assert conv.bias is None
    scaled = torch.cat(
        [c.weight.flatten() * math.sqrt(c.weight[0].numel()) for c in convs]
    )
    assert scaled.std().item() == pytest.approx(1 / math.sqrt(3), rel=0.02)
    for norm in net.modules():
        if isinstance(norm, _BatchNorm):
            assert (norm.weight == 1).all() and (norm.bias == 0).all()


@pytest.mark.parametrize(
    'cls, depth, blocks',
    [
        (MoSIResNet2Plus1d, 10, (1, 1, 1, 1)),
        (MoSIResNet2Plus1d, 18, (2, 2, 2, 2)),
        (MoSIResNet2Plus1d, 34, (3, 4, 6, 3)),
        (ResNet2d3d, 18, (2, 2, 2, 2)),
    ],
)
def test_depth_and_width(cls, depth, blocks):
    net = tiny(cls, depth=depth).eval()
    stages = [net.layer1, net.layer2, net.layer3, net.layer4]
    assert tuple(map(len, stages)) == blocks
    with torch.no_grad():
        out = net(batch(1))
    assert (
        out.shape[1]
        == net.feat_dim
        == (32 if cls is MoSIResNet2Plus1d else 16)
    )


def test_shortcut_is_one_plain_convolution():
    shortcuts = [
        m.downsample
        for m in tiny(MoSIResNet2Plus1d).modules()
        if getattr(m, 'downsample', None) is not None
    ]
    assert [isinstance(s.conv, nn.Conv3d) for s in shortcuts] == [True] * 3
    assert {s.conv.stride for s in shortcuts} == {(2, 2, 2)}


def test_first_max_pool_is_opt_in():
    x = batch(1)
    with torch.no_grad():
        without = tiny(MoSIResNet2Plus1d).eval()(x)
        with_it = tiny(MoSIResNet2Plus1d, with_pool1=True).eval()(x)
    assert without.shape[-2:] == (4, 4)
    assert with_it.shape[-2:] == (2, 2)


@BOTH
@pytest.mark.parametrize('frozen', [-1, 0, 1, 2, 3, 4])
def test_frozen_stages_do_not_move(cls, frozen):
    net = tiny(cls, frozen_stages=frozen)
    # As a runner does: the optimizer comes before train(). Decay would move
    # even what has no gradient.
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.5)
    parts = ['conv1', 'layer1', 'layer2', 'layer3', 'layer4']
    still, moving = parts[: frozen + 1], parts[frozen + 1 :]
    for name, parameter in net.named_parameters():
        assert parameter.requires_grad == (name.split('.')[0] in moving)

    before = {k: v.clone() for k, v in net.state_dict().items()}
    head = nn.Linear(net.feat_dim, 2)
    for _ in range(2):
        assert net.train() is net
        loss = head(net(batch()).mean((2, 3, 4))).square().sum()
        optimizer.zero_grad()
        loss.backward()
        if moving:
            optimizer.step()
    for name, tensor in net.state_dict().items():
        same = torch.equal(tensor, before[name])
        assert same == (name.split('.')[0] in still), name
    assert net.eval() is net and not net.training


@BOTH
@pytest.mark.parametrize(
    'argument', [{'depth': 50}, {'frozen_stages': 5}, {'frozen_stages': -2}]
)
def test_impossible_arguments_are_named(cls, argument):
    ((name, value),) = argument.items()
    with pytest.raises(ValueError, match=f'{name}={value}.*allowed'):
        tiny(cls, **argument)


@BOTH
@pytest.mark.parametrize('whole', [False, True])
def test_pretrained_takes_every_tensor(cls, whole, tmp_path):
    source = tiny(cls)
    with torch.no_grad():
        for tensor in source.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    state = source.state_dict()
    if whole:
        state = {f'backbone.{k}': v for k, v in state.items()}
        state['cls_head.fc_cls.weight'] = torch.zeros(9, source.feat_dim)
        state = {'state_dict': state, 'meta': {}}
    path = str(tmp_path / 'net.pth')
    torch.save(state, path)

    net = tiny(cls, pretrained=path, frozen_stages=2)
    net.init_weights()
    other = tiny(cls)
    other.init_weights(path)
    third = tiny(
        cls,
        init_cfg={
            'type': 'Pretrained',
            'checkpoint': path,
            **({'prefix': 'backbone.'} if whole else {}),
        },
    )
    third.init_weights()
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, net.state_dict()[name]), name
        assert torch.equal(tensor, other.state_dict()[name]), name
        assert torch.equal(tensor, third.state_dict()[name]), name
    assert not net.layer2[0].conv1.bn.weight.requires_grad


@BOTH
def test_pretrained_that_does_not_fit_stops(cls, tmp_path):
    path = str(tmp_path / 'net.pth')
    state = tiny(cls).state_dict()
    del state['layer3.0.conv2.bn.weight']
    state['conv1.bn.bias'] = torch.zeros(5)
    torch.save(state, path)
    init = dict(type='Pretrained', checkpoint=path)
    for given in (dict(pretrained=path), dict(init_cfg=init)):
        with pytest.raises(ValueError) as error:
            tiny(cls, **given).init_weights()
        for said in (
            path,
            '1 are missing (layer3.0.conv2.bn.weight)',
            'conv1.bn.bias (5,) instead of (4,)',
        ):
            assert said in str(error.value)
