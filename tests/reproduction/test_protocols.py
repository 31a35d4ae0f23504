"""Evaluation protocols: what is measured, what is trained, what is kept."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from helpers.motion_truth import measured_motion
from helpers.paths import ROOT
from mosi_mmaction import NearestNeighborMetric, config_path, set_motion
from mosi_mmaction.config.finetuning import (
    set_decoder,
    set_linear_probe,
    set_retrieval,
    set_three_crops,
)
from mosi_mmaction.synthetic.write import write_action_videos


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmaction')


# ------------------------------------------------------- retrieval and k-NN
def sample(role, label, feature):
    return dict(
        role=role,
        gt_label=torch.tensor([label]),
        feature=torch.tensor(feature),
    )


def measure(samples, **kwargs):
    metric = NearestNeighborMetric(**kwargs)
    for one in samples:
        metric.process(None, [one])
    return metric.evaluate(len(samples))


def angle(degrees, length=1.0):
    """A feature of two channels; near angles are near neighbours."""
    rad = np.deg2rad(degrees)
    return [float(length * np.cos(rad)), float(length * np.sin(rad))]


def test_neighbours_told_by_hand():
    gallery = [
        sample('gallery', 0, angle(0)),
        sample('gallery', 1, angle(20, 9.0)),  # length is of no account
        sample('gallery', 1, angle(30)),
        sample('gallery', 2, angle(90, 0.1)),
    ]
    queries = [
        sample('query', 0, angle(5)),  # nearest 0, 1, 1, 2
        sample('query', 2, angle(28)),  # nearest 1, 1, 0, 2
        sample('query', 1, angle(8)),  # nearest 0, 1, 1, 2
        sample('query', 2, angle(80)),
    ]  # nearest 2, 1, 1, 0
    seen = measure(
        queries[:2] + gallery + queries[2:],
        ks=(1, 2, 3, 4),
        knn=3,
        temperature=1.0,
    )
    # Votes of three at temperature 1 are nearly equal ones: 1, 1, 1, 1.
    told = {'R@1': 2 / 4, 'R@2': 3 / 4, 'R@3': 3 / 4, 'R@4': 1.0, 'knn': 1 / 4}
    assert seen == pytest.approx(
        {f'retrieval/{k}': v for k, v in told.items()}
    )
    # A cold vote is the nearest neighbour's.
    cold = measure(gallery + queries, ks=(1,), knn=3, temperature=1e-4)
    assert cold['retrieval/knn'] == cold['retrieval/R@1'] == 0.5


def neighbours_written_out(samples, ks, knn, temperature):
    gallery = [s for s in samples if s['role'] == 'gallery']
    queries = [s for s in samples if s['role'] == 'query']
    hits, right = dict.fromkeys(ks, 0), 0
    for query in queries:
        q = query['feature'].double().numpy()
        pairs = []
        for item in gallery:
            g = item['feature'].double().numpy()
            cosine = q @ g / np.sqrt(q @ q) / np.sqrt(g @ g)
            pairs.append((cosine, item['gt_label'].item()))
        pairs.sort(reverse=True)
        for k in ks:
            hits[k] += query['gt_label'].item() in [c for _, c in pairs[:k]]
        votes = {}
        for cosine, label in pairs[:knn]:
            votes[label] = votes.get(label, 0) + np.exp(cosine / temperature)
        right += max(votes, key=votes.get) == query['gt_label'].item()
    told = {f'retrieval/R@{k}': n / len(queries) for k, n in hits.items()}
    return dict(told, **{'retrieval/knn': right / len(queries)})


@pytest.mark.parametrize('sizes', [(40, 15), (7, 5)])
def test_neighbours_written_out(rng, sizes):
    # Classes differ a little: neither chance nor perfect.
    centres = rng.normal(size=(5, 6))
    samples = []
    for role, size in zip(('gallery', 'query'), sizes):
        for label in rng.integers(5, size=size):
            feature = centres[label] + rng.normal(scale=1.5, size=6)
            samples.append(sample(role, int(label), feature))
    told = neighbours_written_out(samples, (1, 5, 10, 20, 50), 20, 0.07)
    assert 0.2 < told['retrieval/R@1'] < 0.9
    order = rng.permutation(len(samples))
    seen = measure([samples[i] for i in order])
    assert seen == pytest.approx(told)


def test_samples_without_a_role():
    with pytest.raises(ValueError, match='SetRole'):
        measure([dict(gt_label=torch.tensor([0]), feature=torch.zeros(2))])
    with pytest.raises(ValueError, match="role='query'"):
        measure([sample('gallery', 0, [1.0, 0.0])])


def run_test(processes, config, checkpoint, work_dir):
    tool = [str(ROOT / 'tools/test.py')]
    options = [
        config,
        checkpoint,
        '--work-dir',
        work_dir,
        '--dump',
        work_dir / 'all.pkl',
    ]
    if processes > 1:
        tool = [
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--local-addr=127.0.0.1',
            f'--nproc-per-node={processes}',
            *tool,
        ]
        options += ['--launcher', 'pytorch']
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', *tool, *map(str, options)],
        capture_output=True,
        text=True,
        cwd=work_dir.parent,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = work_dir.glob('*/*.json')
    metrics = json.loads(path.read_text())
    return (
        {k: v for k, v in metrics.items() if 'time' not in k},
        pickle.loads((work_dir / 'all.pkl').read_bytes()),
    )


@pytest.mark.slow
def test_two_processes_retrieve_as_one(tmp_path):
    write_action_videos(tmp_path, 2, 'train')
    write_action_videos(tmp_path, 1, 'test')
    for name, most in (('train', 22), ('test', 11)):  # 33: one is padded
        lines = (tmp_path / f'{name}.txt').read_text().splitlines()
        assert len(lines) == most
    leaf = tmp_path / 'leaf.py'
    where = '\n'.join(
        f'{loader} = dict(num_workers=0, persistent_workers=False, '
        f'batch_size=4, dataset=dict(ann_file={str(tmp_path / name)!r}, '
        f'data_prefix=dict(video={str(tmp_path)!r})))'
        for loader, name in (
            ('train_dataloader', 'train.txt'),
            ('test_dataloader', 'test.txt'),
        )
    )
    base = tmp_path / 'base.py'
    base.write_text(
        f'_base_ = {config_path("tiny/finetune_r2p1d_actions")!r}\n{where}\n'
    )
    leaf.write_text(
        "_base_ = 'base.py'\n"
        'from mosi_mmaction import set_retrieval\n'
        'set_retrieval(_base_)\n'
    )
    cfg = Config.fromfile(base)
    torch.manual_seed(0)
    torch.save(
        dict(state_dict=MODELS.build(cfg.model).state_dict()),
        tmp_path / 'random.pth',
    )
    (one, first), (two, second) = (
        run_test(n, leaf, tmp_path / 'random.pth', tmp_path / f'{n}')
        for n in (1, 2)
    )
    assert set(one) == {
        f'retrieval/{k}' for k in ('R@1', 'R@5', 'R@10', 'R@20', 'R@50', 'knn')
    }
    assert one == two
    for samples in (first, second):  # none dropped, none twice
        assert [s['role'] for s in samples] == ['gallery'] * 22 + [
            'query'
        ] * 11
    for a, b in zip(first, second):
        torch.testing.assert_close(a['feature'], b['feature'])
    assert len({tuple(s['feature'].tolist()) for s in first}) == 33
    told = neighbours_written_out(first, (1, 5, 10, 20, 50), 20, 0.07)
    assert one == pytest.approx(told)


def test_retrieval_takes_the_lists_of_its_base():
    for name in (
        'r2p1d_hmdb',
        'r2p1d_ucf',
        'r2d3d_hmdb',
        'r2d3d_ucf',
        'tiny/retrieval_r2p1d_weizmann',
    ):
        kind = name if '/' in name else f'retrieval_{name}'
        tuned = Config.fromfile(
            config_path(kind.replace('retrieval', 'finetune'))
        )
        cfg = Config.fromfile(config_path(kind))
        gallery, query = cfg.test_dataloader.dataset.datasets
        assert gallery.ann_file == tuned.train_dataloader.dataset.ann_file
        assert query.ann_file == tuned.test_dataloader.dataset.ann_file
        for dataset, role in ((gallery, 'gallery'), (query, 'query')):
            own, *steps = dataset.pipeline
            assert own == dict(type='SetRole', role=role)
            assert [s.type for s in steps] == [
                s.type for s in tuned.test_dataloader.dataset.pipeline
            ]
            assert dataset.test_mode
        assert cfg.model.backbone == tuned.model.backbone
        assert cfg.get('train_dataloader') is None
    with pytest.raises(ValueError, match='set_retrieval'):
        set_retrieval(Config.fromfile(config_path('mosi_r2p1d_imagenet')))


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


# ---------------------------------------------------------- frames and crops
@pytest.mark.parametrize('frames', [8, 12, 16, 24, 32])
def test_frames_change_and_pixels_a_frame_stay(frames, textured):
    cfg = Config.fromfile(config_path('mosi_r2p1d_hmdb'))
    set_motion(cfg, clip_len=frames, static_mask=None, color_jitter=None)
    steps = [
        s
        for s in cfg.train_dataloader.dataset.pipeline
        if s.type not in ('SeedSample', 'LoadSourceFrame', 'PackMoSIInputs')
    ]
    pipeline = Compose([TRANSFORMS.build(s) for s in steps])
    sample = pipeline(
        dict(img=textured((560, 760)), rng=np.random.default_rng(0))
    )
    clips, plan = sample['imgs'], sample['motion']
    assert clips.shape == (9, frames, 112, 112, 3)
    # Speed 2 takes 208 pixels in 15 steps, speed 1 half of that. The source
    # is a whole number of pixels, and so is each offset.
    for motion in ((2, 0), (0, -1)):
        label = plan.pool.speeds.tolist().index([*motion])
        (clip,) = clips[plan.labels == label]
        told = np.multiply(motion, 208 / 15 / 2)
        moved = np.array(measured_motion(clip, max_step=16))
        assert moved / (frames - 1) == pytest.approx(
            told, abs=1.5 / (frames - 1)
        )


def test_three_crops_contain_the_centre_crop(rng):
    frames = [
        rng.integers(256, size=(240, 320, 3), dtype=np.uint8)
        for _ in range(160)
    ]
    tall = [np.ascontiguousarray(f.swapaxes(0, 1)) for f in frames]

    def clips(name, video):
        cfg = Config.fromfile(config_path(name))
        steps = cfg.test_dataloader.dataset.pipeline
        first = next(i for i, s in enumerate(steps) if s.type == 'Resize')
        return Compose([TRANSFORMS.build(s) for s in steps[first:-1]])(
            dict(
                imgs=video,
                img_shape=video[0].shape[:2],
                clip_len=16,
                num_clips=10,
                modality='RGB',
            )
        )['imgs']

    for video in (frames, tall):
        centre = clips('finetune_r2p1d_hmdb', video)
        crops = clips('finetune_r2p1d_hmdb_3crop', video)
        assert centre.shape == (10, 3, 16, 112, 112)
        assert crops.shape == (30, 3, 16, 112, 112)
        same = [[np.array_equal(a, b) for a in crops] for b in centre]
        assert np.sum(same, axis=1).tolist() == [1] * 10
    with pytest.raises(ValueError, match='set_three_crops'):
        set_three_crops(Config.fromfile(config_path('mosi_r2p1d_hmdb')))


# ------------------------------------------------------------------ decoders
def test_pyav_decodes_what_decord_does(shared_data):
    pytest.importorskip('av', reason='needs PyAV: pip install av')
    frames = []
    for name in ('decord', 'pyav'):
        cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
        set_decoder(cfg, name)
        dataset = cfg.test_dataloader.dataset
        dataset.ann_file = str(shared_data / 'splits/weizmann/test.txt')
        dataset.data_prefix.video = str(shared_data / 'videos/weizmann')
        frames.append(DATASETS.build(dataset)[0]['inputs'].float())
    assert frames[0].std() > 10
    assert (frames[0] - frames[1]).abs().mean() < 1


def test_every_pipeline_changes_its_decoder():
    name = config_path('finetune_r2p1d_hmdb')
    cfg = Config.fromfile(name)
    before = cfg.to_dict()
    kinds = {s.type for s in cfg.train_pipeline}
    mine = next(
        n
        for n, k in (('decord', 'DecordInit'), ('video', 'VideoInit'))
        if k in kinds
    )
    set_decoder(cfg, 'pyav')
    for loader in ('train', 'val', 'test'):
        kinds = [s.type for s in cfg[f'{loader}_dataloader'].dataset.pipeline]
        assert kinds[1] == 'PyAVInit' and kinds[3] == 'PyAVDecode'
    set_decoder(cfg, mine)
    assert cfg.to_dict() == before
    with pytest.raises(ValueError, match="'av' is unknown"):
        set_decoder(cfg, 'av')
    with pytest.raises(ValueError, match='pretraining'):
        set_decoder(Config.fromfile(config_path('mosi_r2p1d_hmdb')), 'pyav')
