"""Transforms of others draw from the stream of the sample."""

import random
from functools import partial

import numpy as np
import pytest
import torch
from mmaction.registry import TRANSFORMS
from mmengine.dataset import DefaultSampler, worker_init_fn
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader, get_worker_info

from helpers.stream_samples import LEAVES, read
from mosi_mmaction import CropSource, DeadLeavesDataset, SeedSample
from mosi_mmaction.datasets import EpochIndex


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmaction')


@TRANSFORMS.register_module()
class DrawFromAllGenerators:
    """A transform as stock ones are: it knows no ``results['rng']``."""

    def __call__(self, results):
        draws = [random.random(), np.random.rand()]
        if get_worker_info() is not None:
            draws.append(torch.rand(1).item())
        return dict(inputs=torch.tensor(draws), data_samples=results)


# --------------------------------------------------------------- SeedSample
def test_seed_sample_reaches_all_generators_of_a_worker():
    dataset = {
        **LEAVES,
        'pipeline': [
            dict(type='SeedSample'),
            dict(type='DrawFromAllGenerators'),
        ],
    }
    loaded = []
    for workers in (1, 4):
        epochs = read(dataset, [0, 1], workers)
        draws = np.array(
            [
                np.frombuffer(v, np.float32)
                for e in epochs
                for _, v in sorted(e.items())
            ]
        )
        assert draws.shape == (14, 3)
        assert len(np.unique(draws)) == 42
        loaded.append(draws)
    np.testing.assert_array_equal(*loaded)
    alone = read(dataset, [0, 1])
    draws = np.array(
        [
            np.frombuffer(v, np.float32)
            for e in alone
            for _, v in sorted(e.items())
        ]
    )
    np.testing.assert_array_equal(draws, loaded[0][:, :2])


def test_another_sampler_draws_anew_in_every_epoch():
    def epochs():
        torch.manual_seed(5)
        data = DeadLeavesDataset(
            4,
            8,
            pipeline=[
                dict(type='SeedSample'),
                lambda x: (x['rng'].random(), np.random.rand()),
            ],
        )
        loader = DataLoader(
            data,
            sampler=DefaultSampler(data, shuffle=False, seed=0),
            num_workers=1,
            batch_size=None,
            collate_fn=lambda x: x,
            worker_init_fn=partial(
                worker_init_fn, num_workers=1, rank=0, seed=0
            ),
        )
        return [draw for _ in range(2) for sample in loader for draw in sample]

    draws = epochs()
    assert len(set(draws)) == len(draws) == 16
    assert draws == epochs()


def test_seed_sample_leaves_the_trainings_generator_alone():
    torch.manual_seed(0)
    told = torch.rand(3)
    torch.manual_seed(0)
    SeedSample()(dict(sample_idx=EpochIndex(1, 0, 0)))
    assert torch.equal(torch.rand(3), told)


def test_seed_sample_makes_the_generator_of_a_stock_data_set():

    def sample(*index, **others):
        results = SeedSample()(dict(sample_idx=EpochIndex(*index), **others))
        return (results['rng'].random(), random.random(), np.random.rand())

    assert sample(1, 0, 0) == sample(1, 0, 0)
    every = [sample(i, s, e) for i in (0, 1) for s in (0, 1) for e in (0, 1)]
    assert len({d for draws in every for d in draws}) == 24
    own = sample(1, 0, 0, rng=np.random.default_rng(8))
    assert own == sample(5, 5, 5, rng=np.random.default_rng(8))


@pytest.mark.parametrize(
    'step, results',
    [
        (
            dict(type='Flip', flip_ratio=0.5),
            lambda: dict(
                imgs=[np.arange(48, dtype=np.uint8).reshape(4, 4, 3)]
            ),
        ),
        (
            dict(type='RandomCrop', size=5),
            lambda: dict(
                imgs=[np.arange(300).reshape(10, 10, 3).astype('u1')]
            ),
        ),
        (
            dict(
                type='SampleFrames', clip_len=4, frame_interval=3, num_clips=1
            ),
            lambda: dict(total_frames=90, start_index=0),
        ),
        (
            dict(type='RandomResizedCrop'),
            lambda: dict(
                imgs=[np.arange(3072).reshape(32, 32, 3).astype('u1')]
            ),
        ),
    ],
)
def test_stock_transforms_become_a_function_of_the_index(step, results):
    transform = TRANSFORMS.build(step)

    def outcome(i, epoch=0, seed=0):
        sample = {
            **results(),
            'modality': 'RGB',
            'img_shape': (10, 10),
            'sample_idx': EpochIndex(i, seed, epoch),
        }
        if step['type'] == 'RandomResizedCrop':
            sample['img_shape'] = (32, 32)
        out = transform(SeedSample()(sample))
        seen = out['frame_inds'] if 'frame_inds' in out else out['imgs'][0]
        return np.asarray(seen).tobytes()

    told = [outcome(i) for i in range(12)]
    np.random.seed(99)
    assert [outcome(i) for i in reversed(range(12))] == told[::-1]
    assert len(set(told)) > 1
    assert [outcome(i, epoch=1) for i in range(12)] != told
    assert [outcome(i, seed=1) for i in range(12)] != told


def test_numbers_drawn_one_by_one_are_those_of_an_array():
    # What samples of earlier versions were made of.
    for index in range(200):
        ours, rng = (EpochIndex(index, 5, 0).rng() for _ in range(2))
        SeedSample()(dict(rng=ours))
        _, seed, _ = rng.integers(2**32, size=3)
        assert np.random.random() == np.random.RandomState(seed).random()
        height, width = 1 + index % 7, 1 + index % 11
        y, x = np.mgrid[:height, :width]
        img = np.stack([x, y, y], -1).astype(np.uint8)
        side = min(height, width)
        crop = CropSource(size=side, flip_ratio=0)
        found = crop(dict(img=img, rng=ours))['img'][0, 0, :2]
        room = np.array([width - side, height - side])
        assert found.tolist() == rng.integers(0, room, endpoint=True).tolist()
        rng.random()  # of the flip
        assert ours.random() == rng.random()
