"""A batch that is made step by step has the samples of single calls."""

import pickle
import random

import numpy as np
import pytest
import torch

from helpers.sources import write_image
from helpers.stream_samples import LEAVES, MOTION
from mosi_mmaction import DeadLeavesDataset, SourceImageDataset, mosi_collate
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.media.errors import BadSourceError

BATCH = [
    EpochIndex(index, 3, 1, position)
    for position, index in enumerate((4, 0, 6, 2, 0))
]


def leaves(pipeline=MOTION, **options):
    options = {**LEAVES, 'pipeline': pipeline, **options}
    options.pop('type')
    return DeadLeavesDataset(**options)


def told(samples):
    """Return all that the samples contain."""
    return [
        x
        if x is None
        else (
            x['inputs'].numpy().tobytes(),
            x['inputs'].shape,
            x['data_samples'].gt_label.tolist(),
            x['data_samples'].metainfo,
            pickle.dumps(x['data_samples'].get('motion')),
        )
        for x in samples
    ]


def assert_same(dataset, indices=BATCH):
    batch = told(dataset.__getitems__(indices))
    assert batch == told([dataset[i] for i in indices])
    return batch


def stock(results):
    """Draw from the generators that SeedSample seeds."""
    drawn = (random.random(), np.random.random(), *np.random.random(9))
    results['img'] = results['img'] + np.uint8(255 * drawn[0])
    results['img'][0, 0] = np.uint8(255 * drawn[1])
    return results


def test_samples_of_a_batch_are_those_of_single_calls():
    batch = assert_same(leaves())
    assert len({inputs for inputs, *_ in batch}) == 5


@pytest.mark.parametrize('place', [1, 2, 3, 5])
def test_stock_steps_find_the_seeds_of_their_sample(place):
    plain = told(leaves().__getitems__(BATCH))
    batch = assert_same(
        leaves([*MOTION[:place], stock, *MOTION[place:]]), BATCH
    )
    assert all(a[0] != b[0] for a, b in zip(plain, batch))


def test_device_rendering_and_textures_of_other_samples():
    assert_same(leaves([s for s in MOTION if 'Render' not in s['type']]))
    other = dict(type='DrawMovingBackground', texture='other')
    data = leaves([*MOTION[:4], other, *MOTION[4:]])
    batch, single = (
        mosi_collate(x)['inputs']
        for x in (data.__getitems__(BATCH), [data[i] for i in BATCH])
    )
    assert torch.equal(batch, single)


def test_plain_indices_take_their_streams_one_after_the_other():
    data = leaves()
    np.random.seed(1)
    batch = told(data.__getitems__([1, 2, 1]))
    np.random.seed(1)
    assert batch == told([data[i] for i in (1, 2, 1)])
    # In validation a plain index is enough.
    assert_same(leaves(test_mode=True), [1, 2, 1])


def test_a_step_runs_over_the_batch_before_the_next_one(monkeypatch):
    data, ran = leaves(), []
    for step in data.pipeline.transforms:
        name, transform = type(step).__name__, step.transform
        monkeypatch.setattr(
            step,
            'transform',
            lambda x, n=name, t=transform: ran.append(n) or t(x),
        )
    data.__getitems__(BATCH[:2])
    head, tail = MOTION[:2], MOTION[2:]
    assert ran == [s['type'] for s in [*head, *head]] + [
        s['type'] for s in tail for _ in range(2)
    ]


def test_bad_files_are_replaced_as_in_single_calls(tmp_path):
    for i in range(7):
        path = write_image(tmp_path / f'{i}.png', 30 * i, 24)
        if i in (0, 2):
            path.write_bytes(path.read_bytes()[:45])
    pipeline = [MOTION[0], dict(type='LoadSourceFrame'), *MOTION[1:]]
    options = dict(data_root=str(tmp_path), pipeline=pipeline)
    batch = assert_same(SourceImageDataset(max_bad_fraction=0.5, **options))
    paths = [meta['img_path'] for *_, meta, _ in batch]
    assert not {p for p in paths if p.endswith(('/0.png', '/2.png'))}
    data = SourceImageDataset(bad_files='raise', **options)
    with pytest.raises(BadSourceError, match=r'0\.png'):
        data.__getitems__(BATCH)


def test_samples_may_be_left_out():
    data = leaves([lambda x: x if x['sample_idx'] else None, *MOTION])
    assert [x is None for x in assert_same(data)] == [
        index == 0 for index in BATCH
    ]


def test_a_subclass_may_replace_single_calls():
    class Ours(DeadLeavesDataset):
        def __getitem__(self, idx):
            return dict(super().__getitem__(idx), ours=int(idx))

    options = {k: v for k, v in LEAVES.items() if k != 'type'}
    batch = Ours(**options).__getitems__(BATCH)
    assert [sample['ours'] for sample in batch] == BATCH
