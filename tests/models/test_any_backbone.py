"""MoSI pretrains every NCTHW backbone of MMAction2, stock and untouched.

The networks are as narrow as their arguments allow. What counts is what they
return: features, vectors, or tuples of both.
"""

import re
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from helpers.paths import DOCS
from mosi_mmaction import DeadLeavesDataset

PAGE = DOCS / 'your_backbone.md'
FRAMES, SIDE = 8, 32
_NARROW = dict(
    depth=18,
    stage_blocks=(1, 1, 1, 1),
    pretrained=None,
    pretrained2d=False,
    base_channels=8,
)
_PATHWAY = dict(
    type='resnet3d',
    depth=18,
    stage_blocks=(1, 1, 1, 1),
    pretrained=None,
    conv1_stride_t=1,
    pool1_stride_t=1,
)
_VIT = dict(
    type='VisionTransformer',
    img_size=SIDE,
    patch_size=8,
    embed_dims=48,
    depth=2,
    num_heads=4,
    num_frames=FRAMES,
)

#: Arguments of the backbone, and the head's in_channels.
BACKBONES = {
    'ResNet3d': (dict(type='ResNet3d', **_NARROW), 64),
    'ResNet3d with non-local': (
        dict(
            type='ResNet3d',
            **_NARROW,
            non_local=((0,), (1,), (1,), (0,)),
            non_local_cfg=dict(
                sub_sample=True,
                use_scale=False,
                norm_cfg=dict(type='BN3d'),
                mode='embedded_gaussian',
            ),
        ),
        64,
    ),
    'SlowOnly': (dict(type='ResNet3dSlowOnly', lateral=False, **_NARROW), 64),
    'SlowFast': (
        dict(
            type='ResNet3dSlowFast',
            resample_rate=4,
            speed_ratio=4,
            channel_ratio=4,
            slow_pathway=dict(
                _PATHWAY,
                lateral=True,
                base_channels=16,
                conv1_kernel=(1, 7, 7),
                inflate=(0, 0, 1, 1),
            ),
            fast_pathway=dict(
                _PATHWAY,
                lateral=False,
                base_channels=4,
                conv1_kernel=(5, 7, 7),
            ),
        ),
        128 + 32,
    ),
    'CSN': (
        dict(
            type='ResNet3dCSN',
            depth=50,
            pretrained=None,
            pretrained2d=False,
            base_channels=8,
            num_stages=2,
            stage_blocks=(1, 1),
            out_indices=(1,),
            inflate=(1, 1),
            spatial_strides=(1, 2),
            temporal_strides=(1, 2),
            dilations=(1, 1),
        ),
        64,
    ),
    'R(2+1)D': (
        dict(
            type='ResNet2Plus1d',
            **_NARROW,
            conv_cfg=dict(type='Conv2plus1d'),
            norm_cfg=dict(type='BN3d'),
            inflate=(1, 1, 1, 1),
            conv1_kernel=(3, 7, 7),
            conv1_stride_t=1,
            pool1_stride_t=1,
            spatial_strides=(1, 2, 2, 2),
            temporal_strides=(1, 2, 2, 2),
        ),
        64,
    ),
    'X3D': (dict(type='X3D', num_stages=2, spatial_strides=(2, 2)), 48),
    # Its poolings want 16 frames; out_dim is what they leave of 32 x 32.
    # Without batch norm its first steps go anywhere.
    'C3D': (
        dict(
            type='C3D',
            out_dim=512 * 2 * 2,
            dropout_ratio=0.0,
            norm_cfg=dict(type='BN3d'),
        ),
        4096,
    ),
    'MViT': (
        dict(
            type='MViT',
            spatial_size=SIDE,
            temporal_size=FRAMES,
            arch=dict(
                embed_dims=16,
                num_layers=4,
                num_heads=1,
                downscale_indices=[1, 3],
            ),
        ),
        64 + 64,
    ),
    'Swin3D': (
        dict(
            type='SwinTransformer3D',
            pretrained2d=False,
            window_size=(4, 4, 4),
            arch=dict(
                embed_dims=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8]
            ),
        ),
        128,
    ),
    'VideoMAE ViT': (_VIT, 48),
    'VideoMAE ViT, feature map': (dict(_VIT, return_feat_map=True), 48),
    'TimeSformer': (
        dict(
            type='TimeSformer',
            num_frames=FRAMES,
            img_size=SIDE,
            patch_size=8,
            embed_dims=48,
            num_heads=4,
            num_transformer_layers=2,
        ),
        48,
    ),
    'UniFormer': (
        dict(
            type='UniFormer',
            img_size=SIDE,
            depth=[1, 1, 1, 1],
            embed_dim=[16, 32, 48, 64],
            head_dim=16,
            pretrained2d=False,
        ),
        64,
    ),
    'UniFormerV2': (
        dict(
            type='UniFormerV2',
            input_resolution=SIDE,
            patch_size=8,
            width=48,
            layers=2,
            heads=4,
            t_size=FRAMES,
            return_list=[0, 1],
            n_layers=2,
            n_dim=48,
            n_head=4,
            mlp_dropout=[0.0, 0.0],
            clip_pretrained=False,
        ),
        48,
    ),
    'OmniResNet': (dict(type='OmniResNet', layers=[1, 1, 1, 1]), 2048),
}

#: Parameters that a backbone has and does not use as it is set here.
UNUSED = {
    'VideoMAE ViT, feature map': {
        'backbone.fc_norm.weight',
        'backbone.fc_norm.bias',
    },
}

# C3D has 50 million parameters however it is set.
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name == 'C3D' else name
    for name in BACKBONES
]


@cache
def batch(frames):
    """The nine clips of an image, all labels among them."""
    init_default_scope('mmaction')
    data = DeadLeavesDataset(
        num_images=1,
        size=64,
        seed=0,
        test_mode=True,
        pipeline=[
            dict(type='CropSource', size=64, flip_ratio=0.0),
            dict(type='DrawPseudoMotion', clip_len=frames, crop_size=SIDE),
            dict(type='RenderPseudoMotion'),
            dict(type='PackMoSIInputs'),
        ],
    )
    return pseudo_collate([data[0]])


def build(backbone, in_channels, channels_last=False):
    torch.manual_seed(0)
    model = MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=backbone,
            cls_head=dict(
                type='MoSIHead', in_channels=in_channels, dropout_ratio=0.0
            ),
            data_preprocessor=dict(
                type='MoSIDataPreprocessor', channels_last=channels_last
            ),
        )
    )
    torch.manual_seed(0)
    # Recognizer3D.init_weights() does this, and logs every tensor.
    model.backbone.init_weights()
    model.cls_head.init_weights()
    return model


def averages(feats):
    """Flatten what a backbone returned into (M, D) averages, one by one."""
    if isinstance(feats, torch.Tensor):
        dims = tuple(range(2, feats.ndim))
        return [feats.mean(dims) if dims else feats]
    return [part for feat in feats for part in averages(feat)]


@pytest.mark.parametrize('name', NAMES)
def test_pretrains(name):
    backbone, in_channels = BACKBONES[name]
    data = batch(16 if name == 'C3D' else FRAMES)
    model = build(backbone, in_channels)
    optim_wrapper = build_optim_wrapper(
        model,
        dict(optimizer=dict(type='Adam', lr=1e-4 if name == 'C3D' else 1e-3)),
    )
    model.train()
    losses = []
    for _ in range(3):
        torch.manual_seed(0)  # stochastic depth drops the same
        losses.append(model.train_step(data, optim_wrapper)['loss'].item())
    assert all(torch.tensor(losses).isfinite())
    assert losses[0] > losses[1] > losses[2]

    # train_step has cleared the gradients.
    packed = model.data_preprocessor(data, training=True)
    model(**packed, mode='loss')['loss_cls'].backward()
    first = next(
        m
        for m in model.backbone.modules()
        if isinstance(m, (nn.Conv2d, nn.Conv3d, nn.Linear))
    )
    assert first.weight.grad.abs().sum() > 0
    unused = {n for n, p in model.named_parameters() if p.grad is None}
    assert unused == UNUSED.get(name, set())


@pytest.mark.parametrize('name', NAMES)
def test_loss_is_that_of_averaged_features(name):
    backbone, in_channels = BACKBONES[name]
    data = batch(16 if name == 'C3D' else FRAMES)
    losses, formats = [], []
    for channels_last in (False, True):
        model = build(backbone, in_channels, channels_last)
        model.backbone.register_forward_pre_hook(
            lambda module, args: formats.append(
                args[0].is_contiguous(memory_format=torch.channels_last_3d)
            )
        )
        model.eval()
        with torch.no_grad():
            packed = model.data_preprocessor(data)
            losses.append(model(**packed, mode='loss')['loss_cls'])
    assert formats == [False, True]
    with torch.no_grad():
        feats = model.backbone(packed['inputs'].flatten(0, 1))
        fc = model.cls_head.fc_cls
        scores = torch.cat(averages(feats), 1) @ fc.weight.T + fc.bias
    labels = data['data_samples'][0].gt_label
    assert sorted(labels.tolist()) == list(range(9))
    truth = F.cross_entropy(scores, labels)
    torch.testing.assert_close(losses[1], truth)
    torch.testing.assert_close(losses[0], truth, rtol=1e-3, atol=1e-4)


def python_blocks():
    return re.findall(r'^```python\n(.*?)^```', PAGE.read_text(), re.M | re.S)


def test_the_subclass_for_2d_networks():
    names = {}
    exec(python_blocks()[2], names)
    config = dict(
        depth=18, num_segments=FRAMES, pretrained=None, pretrained2d=False
    )
    try:
        model = build(dict(type='ClipTSM', **config), 512)
    finally:
        MODELS.module_dict.pop('ClipTSM')
    stock = MODELS.build(dict(type='ResNetTSM', **config))
    stock.load_state_dict(model.backbone.state_dict())
    clips = model.data_preprocessor(batch(FRAMES))['inputs'].flatten(0, 1)
    stock.eval(), model.eval()
    with torch.no_grad():
        feats = model.backbone(clips)
        frames = stock(clips.transpose(1, 2).flatten(0, 1))
    assert feats.shape == (9, 512, FRAMES, 1, 1)
    torch.testing.assert_close(
        feats, frames.unflatten(0, (9, FRAMES)).transpose(1, 2)
    )
    model.train()
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='Adam')))
    losses = [
        model.train_step(batch(FRAMES), wrapper)['loss'].item()
        for _ in range(3)
    ]
    assert losses[0] > losses[-1]


def test_the_page_about_your_own_backbone(tmp_path, monkeypatch):
    network, leaf, _ = python_blocks()
    assert sum(map(bool, leaf.splitlines())) <= 8
    (tmp_path / 'my_network.py').write_text(network)
    (tmp_path / 'leaf.py').write_text(leaf)
    monkeypatch.syspath_prepend(tmp_path)
    cfg = Config.fromfile(tmp_path / 'leaf.py')  # does custom_imports
    init_default_scope('mmaction')
    model = MODELS.build(cfg.model)
    steps = [
        t
        for t in cfg.train_dataloader.dataset.pipeline
        if t.type != 'LoadSourceFrame'
    ]
    data = DeadLeavesDataset(num_images=1, size=320, pipeline=steps)
    sample = data[0]
    assert sample['inputs'].shape == (9, 3, 16, 112, 112)
    before = {k: v.clone() for k, v in model.named_parameters()}
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    model.train()
    loss = model.train_step(pseudo_collate([sample]), wrapper)['loss']
    assert loss.isfinite()
    for name, value in model.named_parameters():
        assert not torch.equal(value, before[name]), name
