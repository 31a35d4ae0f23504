"""The pretext metric against confusions counted by hand."""

import numpy as np
import pytest
import torch
from mmaction.registry import METRICS

from mosi_mmaction import LabelPool, MoSIMetric
from mosi_mmaction.evaluation.metrics.mosi_metric import label_groups
from mosi_mmaction.method.labels import MOTIONS


def evaluate(pool, batches, **args):
    """Feed predictions in batches as given; return the metric's keys."""
    metric = MoSIMetric(**args)
    count = 0
    for batch in batches:
        metric.process(
            None,
            [
                dict(
                    label_pool=pool,
                    gt_label=torch.arange(len(pool)),
                    pred_label=torch.tensor(row),
                )
                for row in batch
            ],
        )
        count += len(batch)
    return metric.evaluate(count)


# Labels: left 2, left 1, right 1, right 2, up 2, up 1, down 1, down 2, rest.
IMAGES = [
    [0, 0, 2, 3, 4, 5, 6, 7, 8],
    [3, 1, 2, 3, 4, 5, 6, 6, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 0],
]
TOLD = dict(
    top1=15 / 27,
    left=3 / 6,
    right=4 / 6,
    up=4 / 6,
    down=3 / 6,
    static=1 / 3,
    speed1=7 / 12,
    speed2=7 / 12,
)


@pytest.mark.parametrize(
    'batches',
    [[IMAGES], [IMAGES[:2], IMAGES[2:]], [[row] for row in IMAGES[::-1]]],
)
def test_confusion_of_nine_labels(batches):
    seen = evaluate(LabelPool(), batches)
    assert seen == pytest.approx({f'pretext/{k}': v for k, v in TOLD.items()})


def test_confusion_of_all_pairs():
    # (-1,-1) (-1,0) (-1,1) (0,-1) (0,1) (1,-1) (1,0) (1,1) (0,0)
    pool = LabelPool(3, decoupled=False)
    rows = [[1, 1, 2, 3, 4, 5, 6, 8, 8], [0, 1, 2, 3, 4, 5, 7, 7, 8]]
    assert evaluate(pool, [rows]) == pytest.approx(
        {
            'pretext/top1': 15 / 18,
            'pretext/left': 5 / 6,  # labels 0, 1, 2
            'pretext/right': 4 / 6,  # 5, 6, 7
            'pretext/up': 5 / 6,  # 0, 3, 5
            'pretext/down': 5 / 6,  # 2, 4, 7
            'pretext/speed1': 13 / 16,
            'pretext/static': 1.0,
        }
    )


def test_pairs_count_by_their_faster_axis():
    pool = LabelPool(5, decoupled=False)
    groups = label_groups(pool)
    assert len(groups['speed1']) == 8 and len(groups['speed2']) == 16
    assert len(groups['left']) == len(groups['down']) == 10
    index = pool.speeds.tolist().index([1, -2])
    assert [k for k, v in groups.items() if index in v] == [
        'right',
        'up',
        'speed2',
    ]


@pytest.mark.parametrize('signed', [True, False])
def test_groups_of_all_motions_are_named_as_their_labels(signed):
    pool = LabelPool(3, motions=MOTIONS, signed=signed)
    groups = {k: v.tolist() for k, v in label_groups(pool).items()}
    assert groups.pop('speed1') == list(range(len(pool) - 1))
    assert groups == {
        name.removesuffix('-1').replace('-', '_'): [label]
        for label, name in enumerate(pool.names)
    }


@pytest.mark.parametrize(
    'args, keys',
    [
        (dict(axes='x', num_speeds=3), 'top1 left right static speed1'),
        (dict(axes='y', static=False), 'top1 up down speed1 speed2'),
        (
            dict(num_speeds=7),
            'top1 left right up down static speed1 speed2 speed3',
        ),
    ],
)
def test_keys_are_those_of_the_pool(args, keys):
    pool = LabelPool(**args)
    right = list(range(len(pool)))
    seen = evaluate(pool, [[right]])
    assert seen == {f'pretext/{k}': 1.0 for k in keys.split()}
    wrong = evaluate(pool, [[right[1:] + right[:1]]], prefix='held out')
    assert wrong == {f'held out/{k}': 0.0 for k in keys.split()}


def test_shuffled_predictions_are_chance():
    rng = np.random.default_rng(0)
    rows = [rng.permutation(9).tolist() for _ in range(400)]
    seen = evaluate(LabelPool(), [rows[:399], rows[399:]])
    for value in seen.values():
        assert value == pytest.approx(1 / 9, abs=0.06)


def test_padding_of_several_processes_is_cut():
    # A sampler repeats the first sample where processes share unevenly.
    metric = METRICS.build(dict(type='MoSIMetric'))
    pool = LabelPool()
    for row in (IMAGES[0], IMAGES[1], IMAGES[0]):
        metric.process(
            None,
            [
                dict(
                    label_pool=pool,
                    gt_label=torch.arange(9),
                    pred_label=torch.tensor(row),
                )
            ],
        )
    assert metric.evaluate(2)['pretext/top1'] == pytest.approx(14 / 18)
