"""The authors' layout is rebuilt here in plain torch, by name and shape."""

import os
import pickle

import pytest
import torch
from torch import nn

from helpers.paths import TOOLS, load_tool
from mosi_mmaction import load_backbone
from mosi_mmaction.models.backbones.paper_resnet import (
    MoSIResNet2Plus1d,
    ResNet2d3d,
)

TOOL = TOOLS / 'convert_official.py'
tool = load_tool('convert_official')

OURS = {'r2p1d': MoSIResNet2Plus1d, 'r2d3d': ResNet2d3d}
BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class Units(nn.Module):
    """Convolutions, each with a batch norm; a ReLU between or after."""

    def __init__(self, layers, last_relu, pool=False):
        super().__init__()
        self.names = [name for name, *_ in layers]
        self.last_relu, self.pool = last_relu, pool
        for name, cin, cout, kernel, stride in layers:
            conv = nn.Conv3d(
                cin, cout, kernel, stride, [k // 2 for k in kernel], bias=False
            )
            setattr(self, name, conv)
            setattr(self, f'{name}_bn', nn.BatchNorm3d(cout, eps=1e-3))

    def forward(self, x):
        for i, name in enumerate(self.names):
            x = getattr(self, f'{name}_bn')(getattr(self, name)(x))
            if i < len(self.names) - 1 or self.last_relu:
                x = x.relu()
        if self.pool:
            x = nn.functional.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        return x


def conv_layers(arch, name, cin, cout, kernel, stride):
    """One convolution, or the two that stand for it in R(2+1)D."""
    if arch == 'r2d3d':
        return [(name, cin, cout, kernel, stride)]
    t, h, w = kernel
    mid = (t * h * w * cin * cout) // (h * w * cin + t * cout)
    return [
        (f'{name}1', cin, mid, (1, h, w), (1, *stride[1:])),
        (f'{name}2', mid, cout, (t, 1, 1), (stride[0], 1, 1)),
    ]


class ResBlock(nn.Module):
    def __init__(self, arch, cin, cout, kernel, stride):
        super().__init__()
        if cin != cout or stride != (1, 1, 1):
            self.short_cut = nn.Conv3d(cin, cout, 1, stride, bias=False)
            self.short_cut_bn = nn.BatchNorm3d(cout, eps=1e-3)
        self.conv_branch = Units(
            conv_layers(arch, 'a', cin, cout, kernel, stride)
            + conv_layers(arch, 'b', cout, cout, kernel, (1, 1, 1)),
            False,
        )

    def forward(self, x):
        short = x
        if hasattr(self, 'short_cut'):
            short = self.short_cut_bn(self.short_cut(x))
        return (short + self.conv_branch(x)).relu()


class Official(nn.Module):
    def __init__(self, arch, depth, width, head='out_joint', classes=9):
        super().__init__()
        flat = arch == 'r2d3d'
        widths = [width * n for n in ((1, 2, 4, 4) if flat else (1, 2, 4, 8))]
        strides = [(1, 1, 1), (1 if flat else 2, 2, 2), (2, 2, 2), (2, 2, 2)]
        self.backbone = nn.Sequential()
        self.backbone.add_module(
            'conv1',
            Units(
                conv_layers(
                    arch, 'a', 3, width, (1 if flat else 3, 7, 7), (1, 2, 2)
                ),
                True,
                pool=flat,
            ),
        )
        cin = width
        for i, (cout, stride) in enumerate(zip(widths, strides)):
            kernel = (1 if flat and i < 2 else 3, 3, 3)
            stage = nn.Sequential()
            for j in range(BLOCKS[depth][i]):
                stage.add_module(
                    f'res_{j + 1}',
                    ResBlock(
                        arch, cin, cout, kernel, (1, 1, 1) if j else stride
                    ),
                )
                cin = cout
            self.backbone.add_module(f'conv{i + 2}', stage)
        self.head = nn.Module()
        setattr(self.head, head, nn.Linear(cin, classes))

    def forward(self, x):
        return self.backbone(x)


def official(arch, depth=None, width=4, **kwargs):
    """A network with nothing at its initial value, in evaluation mode."""
    torch.manual_seed(0)
    net = Official(
        arch, depth or {'r2p1d': 10, 'r2d3d': 18}[arch], width, **kwargs
    ).eval()
    for name, tensor in net.state_dict().items():
        if '_bn.' in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return net


def run(tmp_path, content, arch, *options):
    src, dst = tmp_path / 'src.pyth', tmp_path / 'sub' / 'dst.pth'
    if content is not None:
        torch.save(content, src)
    status = tool.main([str(src), str(dst), '--arch', arch, *options])
    return status, dst


@pytest.mark.parametrize(
    'arch, parameters', [('r2p1d', 14_365_477), ('r2d3d', 14_057_536)]
)
def test_the_layout_rebuilt_here_has_the_published_size(arch, parameters):
    with torch.device('meta'):
        net = Official(arch, {'r2p1d': 10, 'r2d3d': 18}[arch], 64)
        ours = OURS[arch]()
    state = net.state_dict()
    assert sum(p.numel() for p in net.backbone.parameters()) == parameters
    placed, left_over, empty = tool.convert(
        state, arch, {'r2p1d': 10, 'r2d3d': 18}[arch]
    )
    assert (left_over, empty) == ([], [])
    assert {k for k in placed if k.startswith('backbone.')} == {
        f'backbone.{k}' for k in ours.state_dict()
    }


@pytest.mark.parametrize(
    'arch, depth, wrapped',
    [
        ('r2p1d', 10, True),
        ('r2p1d', 10, False),
        ('r2p1d', 18, True),
        ('r2p1d', 34, True),
        ('r2d3d', 18, True),
        ('r2d3d', 34, False),
    ],
)
def test_outputs_are_equal(arch, depth, wrapped, tmp_path, capsys):
    net = official(arch, depth)
    content = net.state_dict()
    if wrapped:
        content = {
            'epoch': 100,
            'model_state': content,
            'cfg': 'A: 1\n',
            'optimizer_state': {'state': {}, 'param_groups': []},
        }
    status, dst = run(tmp_path, content, arch)
    assert status == 0
    said = capsys.readouterr().out
    assert 'found no place: none' in said and 'stayed empty: none' in said

    ours = OURS[arch](depth=depth, base_channels=4, pretrained=str(dst))
    ours.init_weights()
    ours.eval()
    x = torch.randn(2, 3, 8, 48, 48)
    with torch.no_grad():
        expected, found = net(x), ours(x)
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    with torch.no_grad():  # the file says which network it is
        torch.testing.assert_close(load_backbone(dst)(x), found)


@pytest.mark.parametrize(
    'head, ours, classes',
    [
        ('out_joint', 'fc_cls', 9),
        ('out', 'fc_cls', 51),
        ('out_x', 'fc_cls_x', 5),
        ('out_y', 'fc_cls_y', 5),
    ],
)
def test_heads_find_their_place(head, ours, classes, tmp_path):
    net = official('r2d3d', head=head, classes=classes)
    status, dst = run(tmp_path, net.state_dict(), 'r2d3d')
    assert status == 0
    state = torch.load(dst, weights_only=True)['state_dict']
    linear = getattr(net.head, head)
    assert torch.equal(state[f'cls_head.{ours}.weight'], linear.weight)
    assert torch.equal(state[f'cls_head.{ours}.bias'], linear.bias)
    assert sum(key.startswith('cls_head.') for key in state) == 2


def test_what_found_no_place_and_what_stayed_empty_is_named(tmp_path, capsys):
    state = official('r2p1d').state_dict()
    state['backbone.conv5.nonlocal.theta.weight'] = torch.zeros(1)
    state['head.projector.weight'] = torch.zeros(1)
    del state['head.out_joint.bias']
    status, dst = run(tmp_path, state, 'r2p1d')
    said = capsys.readouterr().out
    assert status == 0 and dst.is_file()  # the backbone is whole
    assert (
        'found no place: 2\n  backbone.conv5.nonlocal.theta.weight\n'
        '  head.projector.weight\n' in said
    )
    assert 'stayed empty: 1\n  cls_head.fc_cls.bias\n' in said


@pytest.mark.parametrize(
    'key, ours',
    [
        (
            'backbone.conv1.a1_bn.running_mean',
            'backbone.conv1.conv.bn_s.running_mean',
        ),
        (
            'backbone.conv4.res_1.short_cut.weight',
            'backbone.layer3.0.downsample.conv.weight',
        ),
    ],
)
@pytest.mark.parametrize('how', ['absent', 'misshapen'])
def test_an_incomplete_backbone_is_not_written(
    key, ours, how, tmp_path, capsys
):
    state = official('r2p1d').state_dict()
    value = state.pop(key)
    if how == 'misshapen':
        state[key] = torch.zeros(len(value) + 1, *value.shape[1:])
    status, dst = run(tmp_path, state, 'r2p1d')
    said = capsys.readouterr()
    assert status == 1 and not dst.exists()
    assert f'stayed empty: 1\n  {ours}\n' in said.out
    assert (f'  {key}: (' in said.out) == (how == 'misshapen')
    assert 'nothing was written' in said.err


@pytest.mark.parametrize(
    'arch, options, message',
    [
        ('r2p1d', ['--depth', '18'], 'has 10 layers, not --depth 18'),
        ('r2d3d', [], 'does not fill the backbone'),
    ],
)
def test_another_network_is_refused(arch, options, message, tmp_path, capsys):
    status, dst = run(tmp_path, official('r2p1d').state_dict(), arch, *options)
    assert status == 1 and not dst.exists()
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    'content, message',
    [
        ({'conv1.weight': torch.zeros(1)}, 'have [0, 0, 0, 0] blocks'),
        ({'model_state': {'epoch': 1}}, 'contains no state dict'),
        ([1, 2], 'contains no state dict'),
    ],
)
def test_other_files_are_refused(content, message, tmp_path, capsys):
    status, dst = run(tmp_path, content, 'r2p1d')
    assert status == 1 and not dst.exists()
    assert message in capsys.readouterr().err


class Hostile:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize('kind', ['zip', 'pickle'])
def test_a_hostile_pickle_is_refused(kind, tmp_path, capsys):
    bomb = Hostile(tmp_path / 'ran')
    content = {'model_state': official('r2p1d').state_dict(), 'cfg': bomb}
    if kind == 'pickle':
        (tmp_path / 'src.pyth').write_bytes(pickle.dumps(bomb, protocol=2))
        content = None
    status, dst = run(tmp_path, content, 'r2p1d')
    said = capsys.readouterr().err
    assert status == 1 and not dst.exists()
    assert not (tmp_path / 'ran').exists()
    assert 'src.pyth: refused' in said and 'could run code' in said
    assert 'weights_only' not in said  # no advice to switch it off
    if kind == 'zip':
        assert 'mkdir' in said


@pytest.mark.parametrize('content', [b'', b'hello world', b'PK\3\4half'])
def test_a_damaged_file_is_refused(content, tmp_path, capsys):
    (tmp_path / 'src.pyth').write_bytes(content)
    status, dst = run(tmp_path, None, 'r2p1d')
    assert status == 1 and not dst.exists()
    assert 'src.pyth: refused' in capsys.readouterr().err


def test_a_missing_source_and_overwriting_it(tmp_path, capsys):
    assert run(tmp_path, None, 'r2p1d')[0] == 1
    assert 'no such file' in capsys.readouterr().err
    src = tmp_path / 'src.pyth'
    torch.save(official('r2p1d').state_dict(), src)
    before = src.read_bytes()
    assert tool.main([str(src), str(src), '--arch', 'r2p1d']) == 1
    assert src.read_bytes() == before
