"""Rendering against slow references, and against the mirror."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from helpers.plans import (
    draw_plan,
    every_kind,
    noise,
    plans,
    seeds,
    slow_render,
)
from mosi_mmaction.method.motion import (
    LabelPool,
    draw_motion,
    render,
)


def room(plan):
    return np.array(plan.source_size[::-1]) - plan.crop_size  # x, y


# Rendering


@settings(max_examples=100)
@given(plans(jittered=False, max_crop=16), seeds)
def test_rendered_is_the_slow_reference(plan, seed):
    image = noise(plan, seed)
    np.testing.assert_array_equal(
        render(image, plan),
        slow_render(image, plan, np.random.default_rng(seed)),
    )


@settings(max_examples=100)
@given(plans(jittered=True, max_crop=16), seeds)
def test_jittered_is_the_slow_reference_to_one_level(plan, seed):
    image = noise(plan, seed)
    slow = slow_render(image, plan, np.random.default_rng(seed))
    assert abs(render(image, plan) - slow).max() <= 1


@every_kind
def test_reference_at_the_size_of_the_paper(masked, jittered, textured):
    image = textured((323, 401))
    plan = draw_plan(
        LabelPool(3, 'x', static=False),
        (323, 401),
        112,
        4,
        0,
        masked,
        jittered,
    )
    slow = slow_render(image, plan, np.random.default_rng(0))
    assert abs(render(image, plan) - slow).max() <= jittered


def mirrored_labels(pool, signs):
    """The label of the motion that a mirror makes of each motion."""
    speeds = pool.speeds.tolist()
    return np.array([speeds.index(v) for v in (pool.speeds * signs).tolist()])


def mirrored_boxes(boxes, size, signs):
    x1, y1, x2, y2 = np.array(boxes).T
    if signs[0] < 0:
        x1, x2 = size - x2, size - x1
    if signs[1] < 0:
        y1, y2 = size - y2, size - y1
    return np.stack([x1, y1, x2, y2], axis=-1)


@pytest.mark.parametrize('signs', [(-1, 1), (1, -1)], ids=['x', 'y'])
@given(plan=plans())
def test_mirrored_image_mirrored_motion(signs, plan):
    image = noise(plan)
    order = mirrored_labels(plan.pool, signs)
    mirrored = replace(
        plan,
        offsets=np.where(
            np.array(signs) < 0, room(plan) - plan.offsets, plan.offsets
        )[order],
    )
    if plan.boxes is not None:
        mirrored = replace(
            mirrored,
            background=plan.background[order],
            boxes=mirrored_boxes(plan.boxes, plan.crop_size, signs)[order],
        )
    if plan.color is not None:
        mirrored = replace(
            mirrored,
            color=replace(
                plan.color,
                **{
                    name: value[order]
                    for name, value in vars(plan.color).items()
                },
            ),
        )
    y, x = signs[1], signs[0]  # steps of -1 mirror; views, not copies
    np.testing.assert_array_equal(
        render(image[::y, ::x], mirrored),
        render(image, plan)[order][:, :, ::y, ::x],
    )


@given(plans())
def test_render_is_pure(plan):
    image = noise(plan)
    before = image.copy()
    image.flags.writeable = False
    clips = render(image, plan)
    assert clips.shape == plan.shape
    assert clips.dtype == np.uint8
    assert clips.flags.c_contiguous
    np.random.seed(plan.crop_size)
    np.testing.assert_array_equal(render(image, plan), clips)
    np.testing.assert_array_equal(image, before)
    wide = np.zeros((*image.shape[:2], 5), np.uint8)
    wide[..., 1:4] = image  # strides of its own
    np.testing.assert_array_equal(render(wide[..., 1:4], plan), clips)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((64, 80, 3), np.float32),
        np.zeros((64, 80), np.uint8),
        np.zeros((80, 64, 3), np.uint8),
        np.zeros((64, 80, 4), np.uint8),
        np.zeros((1, 64, 80, 3), np.uint8),
    ],
    ids=lambda image: f'{image.dtype}{image.shape}',
)
def test_image_that_is_not_the_plans(image, rng):
    plan = draw_motion(LabelPool(), (64, 80), 32, 4, rng)
    with pytest.raises(ValueError) as error:
        render(image, plan)
    assert f'{image.dtype} {image.shape}' in str(error.value)
    assert 'uint8 (64, 80, 3)' in str(error.value)
    assert str(error.value).endswith('source image has its final size')
