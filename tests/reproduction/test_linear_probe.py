"""A linear probe trains the classifier, and nothing else."""

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from mosi_mmaction import config_path
from mosi_mmaction.config.finetuning import (
    set_linear_probe,
)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmaction')


# ---------------------------------------------------- frozen stages, linear
def narrow(cfg):
    """Return the config's model at base width 8 and its optimizer."""
    torch.manual_seed(0)
    cfg.model.backbone.base_channels = 8
    cfg.model.cls_head.in_channels //= 8
    model = MODELS.build(cfg.model)
    return model, build_optim_wrapper(model, cfg.optim_wrapper)


def changed(cfg):
    """Take two steps; return the names of all tensors that changed."""
    model, wrapper = narrow(cfg)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.train()
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        clips = torch.randint(
            256, (2, 1, 3, 8, 32, 32), dtype=torch.uint8, generator=generator
        )
        samples = [ActionDataSample().set_gt_label(i) for i in (0, 1)]
        model.train_step(
            dict(inputs=list(clips), data_samples=samples), wrapper
        )
    after = model.state_dict()
    return {k for k in before if not torch.equal(before[k], after[k])}, after


@pytest.mark.parametrize(
    'name',
    [
        'linear_r2p1d_hmdb',
        'linear_r2p1d_ucf',
        'linear_r2d3d_hmdb',
        'linear_r2d3d_ucf',
        'tiny/linear_r2p1d_weizmann',
    ],
)
def test_a_linear_probe_trains_the_classifier_alone(name):
    cfg = Config.fromfile(config_path(name))
    if '/' in name:  # is narrow
        cfg.model.cls_head.in_channels *= 8
    seen, _ = changed(cfg)
    assert seen == {'cls_head.fc_cls.weight', 'cls_head.fc_cls.bias'}


@pytest.mark.parametrize(
    'name, unused',
    [
        ('finetune_r2p1d_hmdb', True),
        ('finetune_r2p1d-paper_hmdb', False),
        ('finetune_r2d3d_hmdb', False),
    ],
)
def test_set_linear_probe_of_any_network(name, unused):
    stock, cfg = (Config.fromfile(config_path(name)) for _ in range(2))
    set_linear_probe(cfg, lr=0.25, weight_decay=0.5, epochs=60)
    # MMAction2's network freezes when DistributedDataParallel has looked.
    assert cfg.get('find_unused_parameters', False) == unused
    assert cfg.optim_wrapper.optimizer == dict(
        type='Adam', lr=0.25, weight_decay=0.5
    )
    assert cfg.train_cfg.max_epochs == 60
    assert cfg.param_scheduler[-1].max_epochs == 60
    for key in ('train_dataloader', 'test_dataloader', 'load_from'):
        assert cfg[key] == stock[key]
    seen, _ = changed(cfg)
    assert seen == {'cls_head.fc_cls.weight', 'cls_head.fc_cls.bias'}
    # Without them, the schedule is the one of fine-tuning.
    set_linear_probe(stock)
    assert stock.train_cfg.max_epochs == 300


def test_set_linear_probe_freezes_every_stage():
    cfg = Config.fromfile(config_path('finetune_r2p1d_hmdb'))
    cfg.model.backbone.update(
        num_stages=3,
        stage_blocks=(1, 1, 1),
        inflate=(1, 1, 1),
        spatial_strides=(1, 2, 2),
        temporal_strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2,),
    )
    cfg.model.cls_head.in_channels = 256
    set_linear_probe(cfg)
    assert cfg.model.backbone.frozen_stages == 3
    seen, _ = changed(cfg)
    assert seen == {'cls_head.fc_cls.weight', 'cls_head.fc_cls.bias'}


@pytest.mark.parametrize('name', ['mosi_r2p1d_hmdb', 'retrieval_r2p1d_hmdb'])
def test_a_linear_probe_needs_a_config_of_fine_tuning(name):
    cfg = Config.fromfile(config_path(name))
    before = cfg.to_dict()
    with pytest.raises(ValueError, match='set_linear_probe.*fine-tuning'):
        set_linear_probe(cfg)
    assert cfg.to_dict() == before


@pytest.mark.parametrize(
    'name',
    [
        'finetune_r2p1d_hmdb',
        'finetune_r2p1d-paper_hmdb',
        'finetune_r2d3d_hmdb',
    ],
)
@pytest.mark.parametrize('stages', [-1, 0, 1, 2, 3, 4])
def test_frozen_stages_keep_weights_and_statistics(name, stages):
    cfg = Config.fromfile(config_path(name))
    # As --cfg-options does.
    cfg.merge_from_dict({'model.backbone.frozen_stages': stages})
    frozen = ['backbone.conv1.'][: stages + 1] + [
        f'backbone.layer{i}.' for i in range(1, stages + 1)
    ]
    seen, tensors = changed(cfg)
    assert seen == {k for k in tensors if not k.startswith(tuple(frozen))}
