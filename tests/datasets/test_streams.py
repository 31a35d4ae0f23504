"""What a sample is depends on (seed, epoch, index) and on nothing else."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmaction.registry import DATASETS
from mmengine.registry import init_default_scope
from PIL import Image

from helpers.stream_samples import LEAVES, MOTION, read
from mosi_mmaction import EpochSampler
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.datasets.samplers.epoch_sampler import sample_rng
from mosi_mmaction.datasets.transforms.seeding import results_rng
from mosi_mmaction.synthetic.write import write_action_videos

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


def test_workers_change_no_texture_of_another_sample():
    steps = list(LAYERS['pipeline'])
    steps[4] = dict(steps[4], texture='other')
    dataset = dict(LAYERS, pipeline=steps)

    def seen(epochs, *workers):
        return read(dataset, epochs, *workers, collate='mosi_collate')

    told = seen([0, 1])
    for workers, persistent in ((1, True), (3, False)):
        assert seen([0, 1], workers, persistent) == told
    assert seen([1], 1) == told[1:]  # as a resumed run does
    # The texture is another sample's, except in the last batch, of one.
    own = read(LAYERS, [0, 1], collate='mosi_collate')
    for epoch, plain in zip(told, own):
        assert [epoch[i] == plain[i] for i in plain] == 6 * [False] + [True]


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


def test_dataset_passes_the_index_on():
    seen = DATASETS.build({**LEAVES, 'pipeline': []})[EpochIndex(3, 1, 2)]
    assert carried(seen['sample_idx']) == (1, 2, 3)
