"""Folded max pools against those of torch; what torch makes of the means."""

import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from torch import nn

from mosi_mmaction.models.layers.folded_pool import (
    FoldedMaxPool3d,
    fold_pooling,
)


def run(pool, clip):
    """Output and gradient; ReLU's zeros are ties, which must agree, too."""
    clip = clip.detach().clone().requires_grad_()
    out = pool(clip)
    torch.manual_seed(1)
    (out * torch.randn(out.shape)).sum().backward()
    return out, clip.grad


@pytest.mark.parametrize('last', [False, True])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    'settings',
    [
        dict(kernel_size=(1, 3, 3), stride=(1, 1, 1), padding=(0, 1, 1)),
        dict(kernel_size=(1, 3, 3), stride=(2, 2, 2), padding=(0, 1, 1)),
        dict(kernel_size=(1, 2, 3), dilation=(1, 2, 1)),
        dict(kernel_size=(2, 1, 1), stride=(2, 1, 1)),
        dict(kernel_size=(3, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0)),
        dict(kernel_size=(2, 1, 1), stride=1, dilation=(3, 1, 1)),
        dict(kernel_size=1, stride=2),
    ],
    ids=str,
)
def test_folded_is_the_same_pool(settings, dtype, last):
    clip = torch.randn(2, 3, 7, 9, 10).relu().to(dtype)
    if last:
        clip = clip.to(memory_format=torch.channels_last_3d)
    stock, net = nn.MaxPool3d(**settings), nn.Sequential()
    net.append(copy.deepcopy(stock))
    assert fold_pooling(net) == 1
    assert type(net[0]) is FoldedMaxPool3d
    for folded, expected in zip(run(net, clip), run(stock, clip)):
        assert torch.equal(folded, expected)
        assert folded.dtype == dtype
        assert (
            folded.is_contiguous(memory_format=torch.channels_last_3d) == last
        )


def test_what_is_no_factor_is_left_alone():
    net = nn.Sequential(
        nn.MaxPool3d(2),
        nn.MaxPool3d((2, 1, 1), stride=2),
        nn.MaxPool3d((1, 3, 3), ceil_mode=True),
        nn.MaxPool3d((1, 3, 3), return_indices=True),
        nn.MaxPool2d(3),
        nn.AdaptiveMaxPool3d(1),
    )
    assert fold_pooling(net) == 0
    assert not any(isinstance(m, FoldedMaxPool3d) for m in net)


def test_folding_finds_the_pools_of_stock_networks():
    init_default_scope('mmaction')
    for kind, depth in (('ResNet3dSlowOnly', 50), ('ResNet3d', 18)):
        net = MODELS.build(
            dict(
                type=kind,
                depth=depth,
                pretrained=None,
                pretrained2d=False,
                base_channels=4,
            )
        )
        clip = torch.randn(1, 3, 8, 32, 32)
        net.eval()
        expected = net(clip)
        assert fold_pooling(net) == 2  # of the stem, and the one in time
        assert fold_pooling(net) == 0  # it has been done
        assert torch.equal(net(clip), expected)


def test_a_mean_is_no_adaptive_pool():
    # The gradient of the adaptive pool is the one that is not deterministic
    # on a GPU; stock heads would need a counterpart of it.
    for format in (torch.contiguous_format, torch.channels_last_3d):
        clip = torch.randn(2, 3, 4, 5, 5).contiguous(memory_format=format)
        out = nn.AdaptiveAvgPool3d((1, 1, 1))(clip.requires_grad_())
        nodes, names = [out.grad_fn], []
        while nodes:
            node = nodes.pop()
            names.append(node.name())
            nodes += [n for n, _ in node.next_functions if n]
        assert any(name.startswith('Mean') for name in names), names
        assert not any('Adaptive' in name for name in names), names


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_the_gradient_on_a_gpu_is_deterministic():
    net = nn.Sequential(
        nn.MaxPool3d((1, 3, 3), (1, 1, 1), (0, 1, 1)), nn.ReLU()
    ).cuda()
    fold_pooling(net)
    clip = torch.randn(8, 64, 16, 56, 56, device='cuda')
    for format in (torch.contiguous_format, torch.channels_last_3d):
        gradients = []
        for _ in range(3):
            x = clip.contiguous(memory_format=format).requires_grad_()
            net(x).square().sum().backward()
            gradients.append(x.grad)
        assert torch.equal(gradients[0], gradients[1])
        assert torch.equal(gradients[0], gradients[2])
