"""Retrieval and nearest neighbours, told by hand."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from helpers import launch
from mosi_mmaction import NearestNeighborMetric, config_path
from mosi_mmaction.config.finetuning import (
    set_retrieval,
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
    options = ['--work-dir', work_dir, '--dump', work_dir / 'all.pkl']
    log = f'{work_dir}.log'
    codes = launch.ranks(
        processes, 'test.py', config, checkpoint, *options, log=log
    )
    assert codes == [0] * processes, Path(f'{log}.0').read_text()[-3000:]
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
