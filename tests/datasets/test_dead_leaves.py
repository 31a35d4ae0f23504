"""Source images that the computer draws."""

from itertools import islice

import numpy as np
import pytest

from helpers.sources import at
from mosi_mmaction import (
    DeadLeavesDataset,
)
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves


# -------------------------------------------------------------- dead leaves
def test_dead_leaves_are_a_function_of_seed_and_index():
    some = DeadLeavesDataset(3, 24, seed=4)
    more = DeadLeavesDataset(30, 24, seed=4, test_mode=True)
    images = [some[at(i, epoch=i)]['img'] for i in range(3)]
    for i, image in enumerate(images):
        assert image.dtype == np.uint8 and image.shape == (24, 24, 3)
        np.testing.assert_array_equal(image, more[i]['img'])
        np.testing.assert_array_equal(image, some[at(i, 9, 9)]['img'])
    every = [
        DeadLeavesDataset(8, 24, seed=s)[i]['img'].tobytes()
        for s in (0, 1)
        for i in range(8)
    ]
    assert len(set(every)) == 16


def test_a_dataset_is_a_sequence():
    data = DeadLeavesDataset(
        3, 24, test_mode=True, pipeline=[lambda x: x['rng'].random()]
    )
    # It ends, and negative indices count from there.
    assert list(islice(data, 9)) == [data[i] for i in range(-3, 0)]
    for index in (3, -4):
        with pytest.raises(IndexError):
            data[index]


@pytest.mark.parametrize('size', [8, 64, 320])
def test_dead_leaves_leave_no_part_flat(size, rng):
    for _ in range(3):
        image = draw_dead_leaves(size, rng).astype(float).mean(2)
        side = max(size // 4, 8)
        corners = range(0, size - side + 1, side)
        assert (
            min(
                image[y : y + side, x : x + side].std()
                for y in corners
                for x in corners
            )
            > 2
        )
    assert 60 < image.mean() < 195


@pytest.mark.parametrize('args', [(0, 64), (4, 7), (-1, 64)])
def test_dead_leaves_of_no_size(args):
    with pytest.raises(ValueError, match='at least'):
        DeadLeavesDataset(*args)
