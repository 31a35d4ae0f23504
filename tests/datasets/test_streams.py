"""What a sample is depends on (seed, epoch, index) and on nothing else."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from PIL import Image
from torch.utils.data import get_worker_info

from mosi_mmaction import EpochSampler, SeedSample
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.datasets.samplers.epoch_sampler import sample_rng
from mosi_mmaction.datasets.transforms.seeding import results_rng
from mosi_mmaction.synthetic.write import write_action_videos

MOTION = [
    dict(type='SeedSample'),
    dict(type='CropSource', size=24),
    dict(type='DrawPseudoMotion', clip_len=4, crop_size=12),
    dict(type='DrawStaticMask'),
    dict(type='DrawColorJitter'),
    dict(type='RenderPseudoMotion'),
    dict(type='PackMoSIInputs'),
]
LEAVES = dict(type='DeadLeavesDataset', num_images=7, size=24, pipeline=MOTION)
LAYERS = dict(
    LEAVES,
    size=32,
    pipeline=[
        MOTION[0],
        dict(MOTION[1], size=32),
        dict(
            MOTION[2],
            clip_len=6,
            motions=('shift', 'zoom', 'turn'),
            ease=0.5,
            shake=0.05,
        ),
        dict(
            type='DrawStaticMask',
            shape='mixed',
            soft=0.2,
            travels=True,
            num_distractors=2,
        ),
        dict(type='DrawMovingBackground', max_shift=0.1, max_zoom=1.1),
        *MOTION[4:],
    ],
)


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


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """A data set of stock MMAction2: stock transforms, after SeedSample."""
    root = tmp_path_factory.mktemp('videos')
    write_action_videos(
        root, 3, 'train', num_frames=24, actions=('circle', 'shake')
    )
    return dict(
        type='VideoDataset',
        ann_file=str(root / 'train.txt'),
        data_prefix=dict(video=str(root)),
        pipeline=[
            dict(type='SeedSample'),
            dict(type='DecordInit'),
            dict(
                type='SampleFrames', clip_len=4, frame_interval=2, num_clips=1
            ),
            dict(type='DecordDecode'),
            dict(type='RandomRescale', scale_range=(42, 54)),
            dict(type='RandomCrop', size=40),
            dict(type='Flip', flip_ratio=0.5),
            dict(type='ClipColorJitter'),
            dict(type='FormatShape', input_format='NCTHW'),
            dict(type='PackActionInputs'),
        ],
    )


def index_of(sample):
    return (
        int(sample.metainfo['sample_idx'])
        if hasattr(sample, 'metainfo')
        else int(sample['sample_idx'])
    )


def read(
    dataset,
    epochs,
    workers=0,
    persistent=False,
    rank=0,
    world=1,
    seed=3,
    shuffle=True,
    monkeypatch=None,
):
    """Return the samples a run loads: [{place in the epoch: bytes}]."""
    if monkeypatch is not None:
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda: (rank, world)
        )
    # Whatever state a process happens to be in must not matter.
    for generator in (random.seed, np.random.seed, torch.manual_seed):
        generator(1000 * workers + rank)
    loader = Runner.build_dataloader(
        dict(
            dataset=copy.deepcopy(dataset),
            batch_size=2,
            num_workers=workers,
            persistent_workers=persistent,
            sampler=dict(type='EpochSampler', shuffle=shuffle),
        ),
        seed=seed,
    )
    out = []
    for epoch in epochs:
        loader.sampler.set_epoch(epoch)
        places = list(loader.sampler)
        loaded = [
            x.numpy().tobytes() for batch in loader for x in batch['inputs']
        ]
        assert len(places) == len(loaded)
        out.append(dict(zip(places, loaded)))
    return out


# -------------------------------------------------------------- EpochIndex
def carried(index):
    return index.seed, index.epoch, index.position


def test_index_is_an_int_that_carries_its_stream():
    index = EpochIndex(12, seed=5, epoch=3)
    assert index == 12 and isinstance(index, int)
    assert list(range(20))[index] == 12
    assert carried(index) == (5, 3, 12)
    for moved, value in (
        (index % 5, 2),
        (index - 7, 5),
        ((index - 7) % 4, 1),
        (index % 100, 12),
    ):
        assert type(moved) is EpochIndex and moved == value
        assert carried(moved) == (5, 3, 12)
        assert moved.rng().random() == index.rng().random()
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(index % 5, protocol))
        assert back == 2 and carried(back) == (5, 3, 12)
    assert carried(copy.deepcopy(index - 1)) == (5, 3, 12)


def test_streams_of_seed_epoch_and_index_differ():
    draws = {
        EpochIndex(i, s, e).rng().random()
        for i in range(4)
        for s in range(4)
        for e in range(4)
    }
    assert len(draws) == 64


def test_plain_int_takes_its_stream_from_numpy():
    np.random.seed(4)
    first = sample_rng(2).random()
    assert sample_rng(2).random() != first
    np.random.seed(4)
    assert sample_rng(3).random() == first
    assert results_rng(dict(rng='kept')) == 'kept'


@pytest.mark.parametrize(
    'wrapped',
    [
        dict(type='RepeatDataset', times=3, dataset=LEAVES),
        dict(
            type='ConcatDataset',
            datasets=[LEAVES, {**LEAVES, 'num_images': 4, 'seed': 1}],
        ),
        dict(
            type='RepeatDataset',
            times=2,
            dataset=dict(type='ConcatDataset', datasets=[LEAVES, LEAVES]),
        ),
    ],
    ids=['repeat', 'concat', 'both'],
)
def test_wrappers_keep_the_stream(wrapped):
    one, two = read(wrapped, [0, 1]), read(wrapped, [0, 1], workers=2)
    assert one == two
    for epoch in one:
        # Two visits to one image in one epoch differ.
        assert len(set(epoch.values())) == len(epoch) > 10
    assert not set(one[0].values()) & set(one[1].values())


def test_wrapped_videos_keep_the_stream(videos):
    repeated = dict(type='RepeatDataset', times=2, dataset=videos)
    (one,) = read(repeated, [0])
    assert len(set(one.values())) == 12
    assert read(repeated, [0], workers=1) == [one]


# --------------------------------------------- any workers, any processes
def ours(videos):
    """Return the data set with our own reader of videos."""
    steps = [
        dict(s, type=s['type'].replace('Decord', 'Video'))
        for s in videos['pipeline']
    ]
    return dict(videos, type='ActionVideoDataset', pipeline=steps)


@pytest.mark.parametrize('kind', ['motion', 'layers', 'stock', 'videos'])
def test_workers_and_processes_change_no_sample(kind, videos, monkeypatch):
    dataset = dict(
        motion=LEAVES, layers=LAYERS, stock=videos, videos=ours(videos)
    )[kind]
    count = 7 if kind in ('motion', 'layers') else 6
    told = read(dataset, [0, 1])
    for epoch in told:
        assert sorted(epoch) == list(range(count))
        assert len(set(epoch.values())) == count
    assert [list(e) for e in told][0] != list(told[1])  # shuffled anew
    for i in range(count):
        assert told[0][i] != told[1][i]
    assert read(dataset, [0], seed=4) != told[:1]
    for workers, persistent in ((1, False), (1, True), (4, True)):
        assert read(dataset, [0, 1], workers, persistent) == told
    # A resumed run starts in the middle.
    assert read(dataset, [1], workers=1) == told[1:]
    ranks = [
        read(
            dataset, [0, 1], rank, rank=rank, world=2, monkeypatch=monkeypatch
        )
        for rank in (0, 1)
    ]
    for epoch in (0, 1):
        assert {**ranks[0][epoch], **ranks[1][epoch]} == told[epoch]
        assert len(ranks[0][epoch]) == len(ranks[1][epoch])


def test_workers_change_no_replacement_of_a_bad_file(tmp_path):
    for i in range(8):
        path = tmp_path / f'{i}.png'
        Image.new('RGB', (24, 24), (30 * i,) * 3).save(path)
        if i in (2, 5):
            path.write_bytes(path.read_bytes()[:45])
    dataset = dict(
        type='SourceImageDataset',
        data_root=str(tmp_path),
        max_bad_fraction=0.5,
        pipeline=[MOTION[0], dict(type='LoadSourceFrame'), *MOTION[1:]],
    )
    told = read(dataset, [0, 1, 2])
    for workers, persistent in ((1, True), (4, False)):
        assert read(dataset, [0, 1, 2], workers, persistent) == told


@pytest.mark.parametrize('workers', [0, 1])
def test_validation_is_the_same_in_every_epoch(workers):
    held_out = {**LEAVES, 'test_mode': True}
    first, second = read(held_out, [0, 1], workers, shuffle=False)
    assert first == second
    assert list(first) == list(range(7))
    assert len(set(first.values())) == 7
    assert read(held_out, [5], seed=9, shuffle=False) == [first]
    assert read(LEAVES, [5], seed=9, shuffle=False) != [first]


def test_sampler_hands_out_what_the_stock_one_does(monkeypatch):
    for rank, world in ((0, 1), (1, 3)):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info',
            lambda r=rank, w=world: (r, w),
        )
        sampler = EpochSampler(range(10), seed=2)
        sampler.set_epoch(4)
        order = torch.randperm(
            10, generator=torch.Generator().manual_seed(6)
        ).tolist()
        order = (order * 2)[: -(-10 // world) * world][rank::world]
        assert list(sampler) == order
        assert {carried(i)[:2] for i in sampler} == {(2, 4)}
        assert [i.position for i in sampler] == order
        assert len(sampler) == len(order)


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


def test_dataset_passes_the_index_on():
    seen = DATASETS.build({**LEAVES, 'pipeline': []})[EpochIndex(3, 1, 2)]
    assert carried(seen['sample_idx']) == (1, 2, 3)
