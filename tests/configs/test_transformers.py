"""The transformers' configs: sizes, edits, and weights there and back.

That each takes a step and is evaluated is in test_configs.py, as of all.
"""

import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mosi_mmaction import (
    DeadLeavesDataset,
    config_path,
    load_backbone,
    set_epochs,
    set_linear_probe,
    set_motion,
    set_retrieval,
    set_videos,
)
from mosi_mmaction.synthetic.write import write_action_videos

#: Parameters at full size and at tiny size.
SIZES = {
    'vit': (21_879_936, 224_448),
    'swin': (27_850_470, 330_460),
    'mvit': (34_174_848, 186_048),
}
every_network = pytest.mark.parametrize('network', SIZES)


def load(name):
    return Config.fromfile(config_path(name))


def clips(cfg, num=1):
    """Training samples of a config's own pipeline, of dead leaves."""
    pipeline = [
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if not step['type'].startswith('LoadSource')
    ]
    size = next(s for s in pipeline if s['type'] == 'CropSource')['size']
    data = DeadLeavesDataset(num_images=num, size=size, pipeline=pipeline)
    return pseudo_collate([data[i] for i in range(num)])


@every_network
def test_sizes(network):
    full, tiny = SIZES[network]
    for name, told in (
        (f'mosi_{network}_hmdb', full),
        (f'finetune_{network}_hmdb', full),
        (f'tiny/mosi_{network}_deadleaves', tiny),
        (f'tiny/finetune_{network}_weizmann', tiny),
    ):
        backbone = MODELS.build(load(name).model.backbone)
        assert sum(p.numel() for p in backbone.parameters()) == told


@pytest.mark.long
@every_network
def test_full_size_on_clips_of_its_config(network):
    cfg = load(f'mosi_{network}_hmdb')
    model = MODELS.build(cfg.model)
    model.init_weights()
    data = model.data_preprocessor(clips(cfg), training=True)
    assert data['inputs'].shape == (1, 9, 3, 16, 112, 112)
    losses = model(**data, mode='loss')
    # A classifier that is new knows nothing.
    assert losses['loss_cls'].item() == pytest.approx(2.197, abs=0.2)
    losses['loss_cls'].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    # The fine-tuning's network takes the same weights.
    tuned = MODELS.build(load(f'finetune_{network}_hmdb').model)
    tuned.backbone.load_state_dict(model.backbone.state_dict())
    tuned.eval()
    with torch.no_grad():
        feats, _ = tuned.extract_feat(torch.zeros(1, 1, 3, 16, 112, 112))
        assert tuned.cls_head(feats).shape == (1, 51)


def grouped(cfg):
    """Parameters by their weight decay."""
    model = MODELS.build(cfg.model)
    names = {id(p): n for n, p in model.named_parameters()}
    groups = {}
    for group in build_optim_wrapper(
        model, cfg.optim_wrapper
    ).optimizer.param_groups:
        for param in group['params']:
            groups.setdefault(group['weight_decay'], set()).add(
                names[id(param)]
            )
    return groups


@every_network
def test_weights_of_matrices_alone_decay(network):
    cfg = load(f'tiny/mosi_{network}_deadleaves')
    groups = grouped(cfg)
    assert set(groups) == {0.0, 0.05}
    shapes = {n: p.ndim for n, p in MODELS.build(cfg.model).named_parameters()}
    for name in groups[0.05]:
        assert name.endswith('.weight') and shapes[name] >= 2, name
    for name in groups[0.0]:
        assert shapes[name] == 1 or 'rel' in name or 'token' in name, name


@every_network
def test_edits(network, tmp_path):
    cfg = load(f'tiny/mosi_{network}_deadleaves')
    set_motion(cfg, axes='x', static_mask=None, color_jitter=dict(hue=0.1))
    set_epochs(cfg, 5)
    assert cfg.param_scheduler[0].max_epochs == cfg.train_cfg.max_epochs == 5
    model = MODELS.build(cfg.model)
    data = model.data_preprocessor(clips(cfg), training=True)
    assert data['inputs'].shape == (1, 5, 3, 8, 32, 32)
    assert model(**data, mode='loss')['loss_cls'].isfinite()

    tuned = load(f'finetune_{network}_ucf')
    for name in ('train', 'test'):
        (tmp_path / f'{name}.txt').write_text('a.avi 0\n')
    (tmp_path / 'classes.txt').write_text('walk\nrun\njump\n')
    set_videos(tuned, str(tmp_path), str(tmp_path))
    assert tuned.model.cls_head.num_classes == 3
    retrieval = load(f'finetune_{network}_hmdb')
    set_retrieval(retrieval)
    assert retrieval.model.cls_head == dict(type='PooledFeatureHead')


@pytest.fixture(scope='module')
def action_videos(tmp_path_factory):
    root = tmp_path_factory.mktemp('videos')
    write_action_videos(
        root, 1, 'few', num_frames=24, actions=('circle', 'shake')
    )
    return root


def tiny_run(cfg, tmp_path, name, **kwargs):
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(tmp_path / name)
    cfg.experiment_name = f'{tmp_path.name}_{name}'
    cfg.log_level = 'ERROR'
    cfg.visualizer = None
    for part in ('train', 'val', 'test'):
        loader = cfg[f'{part}_dataloader']
        loader.update(num_workers=0, persistent_workers=False, batch_size=1)
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    for key, value in kwargs.items():
        cfg[key] = value
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@every_network
def test_there_and_back(network, tmp_path, action_videos):
    """Pretrain, publish, load by name, fine-tune, probe."""
    cfg = load(f'tiny/mosi_{network}_deadleaves')
    cfg.train_dataloader.dataset.num_images = 2
    pretrained = tiny_run(cfg, tmp_path, 'mosi').model.backbone.state_dict()
    (published,) = (tmp_path / 'mosi').glob('epoch_1-*.pth')
    backbone = load_backbone(str(published))
    assert not backbone.training
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, pretrained[key]), key

    tuning = load(f'tiny/finetune_{network}_weizmann')
    for part in ('train', 'test'):
        dataset = tuning[f'{part}_dataloader'].dataset
        dataset.ann_file = str(action_videos / 'few.txt')
        dataset.data_prefix = dict(video=str(action_videos))
        dataset.indices = [0, 1]
    set_linear_probe(tuning)
    runner = tiny_run(tuning, tmp_path, 'probe', load_from=str(published))
    probed = runner.model
    assert not probed.backbone.training
    assert {n for n, p in probed.named_parameters() if p.requires_grad} == {
        'cls_head.fc_cls.weight',
        'cls_head.fc_cls.bias',
    }
    for key, value in probed.backbone.state_dict().items():
        assert torch.equal(value, pretrained[key]), key
    assert set(runner.test()) == {'acc/top1', 'acc/top5', 'acc/mean1'}
