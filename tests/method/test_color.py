"""Colour jitter against its written-out formulas."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import color_truth
from mosi_mmaction.method.color import (
    BASES,
    LUMA,
    ColorJitter,
    ColorParams,
    apply_color,
    window_luma,
)

IDENTITY = {
    'brightness': 1.0,
    'contrast': 1.0,
    'saturation': 1.0,
    'hue': 0.0,
    'grayscale': False,
}
OFF = dict.fromkeys(color_truth.NAMES, 0.0)

factors = st.floats(0, 3)
settings_of_a_frame = st.fixed_dictionaries(
    {
        'brightness': factors,
        'contrast': factors,
        'saturation': factors,
        'hue': st.floats(-0.5, 0.5),
        'grayscale': st.booleans(),
    }
)
strengths = st.fixed_dictionaries(
    {
        'brightness': factors,
        'contrast': factors,
        'saturation': factors,
        'hue': st.floats(0, 0.5),
        'grayscale': st.floats(0, 1),
    }
)
seeds = st.integers(0, 2**32 - 1)


@st.composite
def images(draw, max_side=40):
    shape = draw(st.tuples(*[st.integers(1, max_side)] * 2))
    rng = np.random.default_rng(draw(seeds))
    low, high = draw(st.sampled_from([(0, 256), (100, 140), (0, 2)]))
    return rng.integers(low, high, (*shape, 3), dtype=np.uint8)


def params(**values):
    return ColorParams(
        **{
            name: np.array(value)
            for name, value in {**IDENTITY, **values}.items()
        }
    )


def affine(values, mean):
    """A and o of the composed map, in float64."""
    coefficients = params(**values).coefficients()
    return (np.tensordot(coefficients[:3], BASES, 1), coefficients[3] * mean)


def mapped(pixels, values, mean):
    linear, offset = affine(values, mean)
    return pixels @ linear.T + offset


def mean_luma(image):
    return np.array(color_truth.luma(image.astype(np.float64)).mean())


# Formulas


@pytest.mark.parametrize('name', color_truth.NAMES)
@given(image=images(12), values=settings_of_a_frame)
def test_one_operation_is_its_formula(name, image, values):
    alone = {name: values[name]}
    np.testing.assert_allclose(
        mapped(image, alone, mean_luma(image)),
        color_truth.chain(image, {**IDENTITY, **alone}),
        atol=1e-6,
    )


@given(image=images(3), values=settings_of_a_frame)
def test_all_120_orders_are_the_one_composed_map(image, values):
    composed = mapped(image, values, mean_luma(image))
    for order in permutations(color_truth.NAMES):
        np.testing.assert_allclose(
            composed,
            color_truth.chain(image, values, order),
            atol=1e-6,
            err_msg=str(order),
        )


@given(image=images(), values=settings_of_a_frame)
def test_applied_is_the_formula_to_one_level(image, values):
    matrix = params(**values).matrices(mean_luma(image))
    before = image.copy()
    out = np.full_like(image, 77)
    assert apply_color(image, matrix, out) is out
    difference = out - color_truth.to_levels(color_truth.chain(image, values))
    assert abs(difference).max() <= 1
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(apply_color(image, matrix), out)


@given(image=images(), values=settings_of_a_frame, seed=seeds)
def test_a_pixel_does_not_depend_on_its_neighbours(image, values, seed):
    # Rendering relies on it: only the box of a masked frame is jittered.
    matrix = params(**values).matrices(mean_luma(image))
    whole = apply_color(image, matrix)
    rng = np.random.default_rng(seed)
    y1, x1 = (rng.integers(0, n) for n in image.shape[:2])
    y2, x2 = (
        rng.integers(low + 1, n, endpoint=True)
        for low, n in zip((y1, x1), image.shape[:2])
    )
    out = np.full_like(image, 77)
    apply_color(image[y1:y2, x1:x2], matrix, out[y1:y2, x1:x2])
    np.testing.assert_array_equal(out[y1:y2, x1:x2], whole[y1:y2, x1:x2])
    out[y1:y2, x1:x2] = 77
    assert (out == 77).all()


@given(st.lists(settings_of_a_frame, min_size=1, max_size=6))
def test_matrices_are_the_maps_one_by_one(frames):
    many = ColorParams(
        *(
            np.array([frame[name] for frame in frames])
            for name in color_truth.NAMES
        )
    )
    means = np.linspace(0, 255, len(frames))
    matrices = many.matrices(means)
    assert matrices.shape == (len(frames), 3, 4)
    assert matrices.dtype == np.float32
    for matrix, frame, mean in zip(matrices, frames, means):
        linear, offset = affine(frame, mean)
        np.testing.assert_allclose(matrix[:, :3], linear, 1e-6, 1e-5)
        np.testing.assert_allclose(matrix[:, 3], offset, 1e-6, 1e-5)


@given(
    levels=st.lists(st.integers(0, 255), min_size=1, max_size=60),
    values=settings_of_a_frame,
)
def test_gray_pixels_stay_gray(levels, values):
    image = np.repeat(np.array(levels, np.uint8), 3).reshape(1, -1, 3)
    mean = mean_luma(image)
    for pixels in (
        mapped(image, values, mean),
        color_truth.chain(image, values),
    ):
        np.testing.assert_allclose(np.ptp(pixels, axis=-1), 0, atol=1e-6)
    # Each channel is one level off at most, so two of them differ by two.
    out = apply_color(image, params(**values).matrices(mean))
    limit = 0 if values['grayscale'] else 2
    assert np.ptp(out.astype(int), axis=-1).max() <= limit


@given(image=images(), values=settings_of_a_frame)
def test_only_brightness_changes_the_mean_luma(image, values):
    # What lets the mean of a frame be carried through a chain.
    mean = mean_luma(image)
    np.testing.assert_allclose(
        mean_luma(mapped(image, values, mean)),
        values['brightness'] * mean,
        atol=1e-6,
    )


@given(images())
def test_identity_leaves_pixels_untouched(image):
    matrix = params().matrices(mean_luma(image))
    np.testing.assert_array_equal(apply_color(image, matrix), image)


@given(images())
def test_grayscale_leaves_one_channel(image):
    out = apply_color(image, params(grayscale=True).matrices(np.array(0.0)))
    assert np.ptp(out, axis=-1).max() == 0


def test_hue_turns_the_chroma_of_yiq():
    # An independent source of the plane: the NTSC matrix, to four digits.
    rgb_to_yiq = np.array(
        [
            [0.2990, 0.5870, 0.1140],
            [0.5959, -0.2746, -0.3213],
            [0.2115, -0.5227, 0.3112],
        ]
    )
    turns = 0.1
    cos, sin = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    turn = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])  # Q to I
    linear, _ = affine({'hue': turns}, 0)
    np.testing.assert_allclose(
        linear, np.linalg.inv(rgb_to_yiq) @ turn @ rgb_to_yiq, atol=2e-3
    )


@pytest.mark.parametrize(
    'hue, becomes', [(0, 'rgb'), (1 / 3, 'gbr'), (-1 / 3, 'brg')]
)
def test_hue_turns_red_to_green_to_blue(hue, becomes):
    linear, _ = affine({'hue': hue}, 0)
    turned = linear @ np.eye(3)  # columns: what becomes of R, G, B
    assert ''.join('rgb'[i] for i in turned.argmax(axis=0)) == becomes


def test_hue_of_half_a_turn_is_the_complement():
    linear, _ = affine({'hue': 0.5}, 0)
    np.testing.assert_allclose(
        linear, 2 * np.tile(LUMA, (3, 1)) - np.eye(3), atol=1e-12
    )
    assert LUMA.sum() == pytest.approx(1)


# Draws


@given(
    limits=strengths,
    seed=seeds,
    per_frame=st.booleans(),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 16)),
)
def test_draws_stay_within_their_strengths(limits, seed, per_frame, shape):
    jitter = ColorJitter(**limits, per_frame=per_frame)
    drawn = jitter.draw(shape, np.random.default_rng(seed))
    for name in ('brightness', 'contrast', 'saturation'):
        values = getattr(drawn, name)
        assert values.min() >= max(0, 1 - limits[name])
        assert values.max() <= 1 + limits[name]
    assert abs(drawn.hue).max() <= limits['hue']
    assert drawn.grayscale.dtype == bool
    again = jitter.draw(shape, np.random.default_rng(seed))
    for name in color_truth.NAMES:
        values = getattr(drawn, name)
        assert values.shape == shape
        assert not values.flags.writeable
        assert per_frame or (values == values[:, :1]).all()
        np.testing.assert_array_equal(values, getattr(again, name))


@pytest.mark.parametrize(
    'name, strength, low, high',
    [
        ('brightness', 0.5, 0.5, 1.5),
        ('contrast', 0.2, 0.8, 1.2),
        ('saturation', 0.5, 0.5, 1.5),
        ('saturation', 2.0, 0.0, 3.0),
        ('hue', 0.25, -0.25, 0.25),
    ],
)
def test_draws_are_uniform(name, strength, low, high, rng):
    jitter = ColorJitter(**{**OFF, name: strength})
    drawn = jitter.draw((1000, 16), rng)
    counts, _ = np.histogram(getattr(drawn, name), 10, (low, high))
    expected = 1600
    assert counts.sum() == 10 * expected
    assert abs(counts - expected).max() < 5 * expected**0.5
    for other in set(color_truth.NAMES) - {name}:
        assert (getattr(drawn, other) == IDENTITY[other]).all()


@pytest.mark.parametrize('probability', [0, 0.3, 1])
def test_grayscale_comes_with_its_probability(probability, rng):
    drawn = ColorJitter(grayscale=probability).draw((1000, 16), rng)
    sigma = (probability * (1 - probability) / 16000) ** 0.5
    assert abs(drawn.grayscale.mean() - probability) <= 5 * sigma


@pytest.mark.parametrize('per_frame', [True, False])
def test_grayscale_is_drawn_once_a_clip(per_frame, rng):
    drawn = ColorJitter(per_frame=per_frame).draw((2000, 16), rng).grayscale
    assert (drawn == drawn[:, :1]).all()
    assert abs(drawn[:, 0].mean() - 0.3) < 0.03
    # Or once a frame, where the rest is: any share of a clip may be grey.
    either = ColorJitter(per_frame=per_frame, grayscale_per_frame=True)
    drawn = either.draw((2000, 16), rng).grayscale
    assert abs(drawn.mean() - 0.3) < 0.03
    assert (len(set(drawn.sum(axis=1))) > 2) == per_frame


@pytest.mark.parametrize('per_frame, draws', [(True, 80), (False, 5)])
def test_number_of_different_draws(per_frame, draws, rng):
    drawn = ColorJitter(per_frame=per_frame).draw((5, 16), rng)
    for name in ('brightness', 'contrast', 'saturation', 'hue'):
        assert len(np.unique(getattr(drawn, name))) == draws
    grays = (
        ColorJitter(
            grayscale=0.5, per_frame=per_frame, grayscale_per_frame=True
        )
        .draw((50, 16), rng)
        .grayscale
    )
    assert len(set(grays[:, 0])) == 2  # clips differ, and frames if they may
    assert (grays != grays[:, :1]).any() == per_frame


def test_defaults_are_those_of_the_release():
    assert ColorJitter() == ColorJitter(0.5, 0.5, 0.5, 0.25, 0.3, True, False)


@pytest.mark.parametrize(
    'name, value, allowed',
    [
        ('brightness', -0.1, 'is a number at least 0$'),
        ('brightness', float('inf'), 'at least 0'),
        ('brightness', 'much', 'at least 0'),
        ('contrast', None, 'at least 0'),
        ('contrast', -1, 'at least 0'),
        ('saturation', -1e-9, 'at least 0'),
        ('saturation', float('nan'), 'at least 0'),
        ('hue', -0.1, r'in \[0, 0\.5\]'),
        ('hue', 0.51, r'in \[0, 0\.5\]'),
        ('grayscale', -0.1, r'in \[0, 1\.0\]'),
        ('grayscale', 1.01, r'in \[0, 1\.0\]'),
    ],
)
def test_wrong_strength(name, value, allowed):
    with pytest.raises(ValueError, match=f'{name}={value!r}.*{allowed}'):
        ColorJitter(**{name: value})


@pytest.mark.parametrize(
    'limits',
    [
        OFF,
        {**OFF, 'hue': 0.5},
        {**OFF, 'grayscale': 1},
        {**OFF, 'brightness': 9},
    ],
)
def test_largest_and_smallest_strengths_are_allowed(limits, rng):
    ColorJitter(**limits).draw((2, 2), rng)


# Mean luma


@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    seed=seeds,
    data=st.data(),
)
def test_window_luma_is_the_mean_of_the_window(shape, seed, data):
    size = data.draw(st.integers(1, min(shape)), label='size')
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    corners = [[0, 0], [shape[1] - size, shape[0] - size]]
    offsets = np.concatenate(
        [
            corners,
            np.stack(
                [
                    rng.integers(0, n - size, 4, endpoint=True)
                    for n in shape[::-1]
                ],
                axis=-1,
            ),
        ]
    ).reshape(3, 2, 2)
    means = window_luma(image, offsets, size)
    assert means.shape == (3, 2)
    for mean, (x, y) in zip(means.ravel(), offsets.reshape(-1, 2)):
        window = image[y : y + size, x : x + size]
        assert mean == pytest.approx(mean_luma(window), abs=1e-9)


@pytest.mark.parametrize('side', [1671, 3000])
def test_window_luma_of_large_images(side):
    # Around 2.8 and above 8.4 million pixels, where 32-bit sums would wrap.
    image = np.full((side, side, 3), 255, np.uint8)
    image[-10:, -10:, 0] = 0
    offsets = np.array([[0, 0], [side - 10, side - 10]])
    np.testing.assert_allclose(
        window_luma(image, offsets, 10), [255, 255 * (1 - 0.299)]
    )
    for size in (500, side):  # all of the image: 2.3e9 in a channel
        corner = np.array([side - size] * 2)
        assert window_luma(image, corner, size) == pytest.approx(
            255 * (1 - 0.299 * 100 / size**2)
        )
