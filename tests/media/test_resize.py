"""Shrinking a source image in less time gives the pixels of OpenCV."""

import cv2
import numpy as np
import pytest

from mosi_mmaction.media import resize
from mosi_mmaction.media.resize import resize_square


def by_opencv(image, size):
    method = cv2.INTER_AREA if len(image) > size else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=method)


def noise(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    'size, sides',
    [(320, range(321, 640, 3)), (112, range(113, 224)), (7, range(8, 14))],
)
def test_pixels_are_those_of_opencv(rng, size, sides):
    assert resize._same_pixels()
    for side in sides:
        image = noise(rng, side, side)
        np.testing.assert_array_equal(
            resize._shrink(image, size), by_opencv(image, size), str(side)
        )


def test_extremes_and_crops_of_larger_images(rng):
    for value in (0, 1, 128, 254, 255):
        image = np.full((375, 375, 3), value, np.uint8)
        assert (resize_square(image, 320) == value).all()
    image = noise(rng, 400, 500)[13:388, 90:465]
    found = resize_square(image, 320)
    np.testing.assert_array_equal(found, by_opencv(image, 320))
    assert found.flags.c_contiguous


@pytest.mark.parametrize('side', [16, 30, 32, 64, 65, 128, 200])
def test_other_scales_are_left_to_opencv(rng, side, monkeypatch):
    monkeypatch.setattr(resize, '_shrink', None)
    image = noise(rng, side, side)
    np.testing.assert_array_equal(
        resize_square(image, 32), by_opencv(image, 32)
    )


def test_a_machine_that_rounds_differently_uses_opencv(rng, monkeypatch):
    weights = resize._weights
    # A unit in the last place, as a fused multiplication and addition saves.
    monkeypatch.setattr(
        resize, '_weights', lambda *sides: weights(*sides) * (1 - 2**-23)
    )
    assert not resize._same_pixels.__wrapped__()
    monkeypatch.setattr(resize, '_same_pixels', lambda: False)
    image = noise(rng, 375, 375)
    np.testing.assert_array_equal(
        resize_square(image, 320), by_opencv(image, 320)
    )
