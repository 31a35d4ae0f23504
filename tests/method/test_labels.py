"""The labels of Eq. 1: their set, order and names."""

import numpy as np
import pytest

from mosi_mmaction.method.motion import (
    LabelPool,
)

# Label pool, Eq. 1


def test_label_order_is_the_official_one():
    assert LabelPool().speeds.tolist() == [
        [-2, 0],
        [-1, 0],
        [1, 0],
        [2, 0],
        [0, -2],
        [0, -1],
        [0, 1],
        [0, 2],
        [0, 0],
    ]
    assert LabelPool().names == (
        'left-2',
        'left-1',
        'right-1',
        'right-2',
        'up-2',
        'up-1',
        'down-1',
        'down-2',
        'static',
    )
    assert LabelPool() == LabelPool(5, 'xy', True, True)


def test_pairs_of_speeds():
    pool = LabelPool(3, decoupled=False)
    assert pool.speeds.tolist() == [
        [-1, -1],
        [-1, 0],
        [-1, 1],
        [0, -1],
        [0, 1],
        [1, -1],
        [1, 0],
        [1, 1],
        [0, 0],
    ]
    assert pool.names[:3] == ('left-1+up-1', 'left-1', 'left-1+down-1')
    assert pool.names[-2:] == ('right-1+down-1', 'static')


@pytest.mark.parametrize('static', [True, False])
@pytest.mark.parametrize(
    'axes, decoupled', [('x', True), ('y', True), ('xy', True), ('xy', False)]
)
@pytest.mark.parametrize('num_speeds', [3, 5, 7, 9, np.int64(5)])
def test_pool_is_the_set_of_eq_1(num_speeds, axes, decoupled, static):
    pool = LabelPool(num_speeds, axes, decoupled, static)
    k = num_speeds // 2
    assert pool.max_speed == k
    told = {
        (x, y)
        for x in range(-k, k + 1)
        for y in range(-k, k + 1)
        if (x == 0 or 'x' in axes)
        and (y == 0 or 'y' in axes)
        and (not decoupled or x * y == 0)
        and (static or (x, y) != (0, 0))
    }
    speeds = [tuple(v) for v in pool.speeds.tolist()]
    assert len(pool) == len(speeds) == len(told)
    assert set(speeds) == told
    assert len(set(pool.names)) == len(pool)
    assert ((0, 0) == speeds[-1]) == static
    if decoupled:
        assert len(pool) == 2 * k * len(axes) + static
        moving = [v for v in speeds if any(v)]
        assert moving == sorted(  # x before y, each ascending
            moving, key=lambda v: (v[0] == 0, v)
        )
    else:
        assert len(pool) == num_speeds**2 - 1 + static


@pytest.mark.parametrize('axes', ['x', 'y', 'xy'])
def test_axis_labels_are_one_class_an_axis(axes):
    pool = LabelPool(5, axes)
    assert pool.axis_labels.shape == (len(pool), len(axes))
    for labels, (x, y) in zip(pool.axis_labels.tolist(), pool.speeds):
        assert labels == [{'x': x, 'y': y}[axis] + 2 for axis in axes]


@pytest.mark.parametrize('value', [4, 1, 0, -3, 5.0, '5', True, None])
def test_wrong_num_speeds(value):
    with pytest.raises(
        ValueError, match=f'num_speeds={value!r}.*odd and at least 3'
    ):
        LabelPool(value)


@pytest.mark.parametrize('value', ['z', 'yx', 'xx', '', 'X', None, ['x']])
def test_wrong_axes(value):
    with pytest.raises(ValueError) as error:
        LabelPool(axes=value)
    assert f'axes={value!r}' in str(error.value)
    assert "'x', 'y' and 'xy'" in str(error.value)


@pytest.mark.parametrize('axes', ['x', 'y'])
def test_pairs_need_both_axes(axes):
    with pytest.raises(ValueError, match=f"decoupled=False.*axes='{axes}'"):
        LabelPool(axes=axes, decoupled=False)
