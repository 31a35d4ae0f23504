"""Motion measured from the pixels is the labelled one."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.motion_truth import (
    measured_label,
    measured_motion,
    textured_image,
)
from helpers.plans import (
    draw_plan,
    every_kind,
    pools,
    seeds,
)
from mosi_mmaction.method.motion import (
    LabelPool,
    render,
)


def room(plan):
    return np.array(plan.source_size[::-1]) - plan.crop_size  # x, y


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


# Label truth: what the pixels show is what the label says


def seen_labels(clips, plan, boxes=None):
    return [
        measured_label(
            clip,
            plan.pool,
            plan.source_size,
            None if boxes is None else boxes[c].tolist(),
        )
        for c, clip in enumerate(clips)
    ]


@every_kind
@pytest.mark.parametrize(
    'source, crop, frames, images', [(64, 32, 8, 20), (320, 112, 16, 1)]
)
def test_pixels_show_the_label(
    source, crop, frames, images, masked, jittered, textured
):
    for seed in range(images):
        plan = draw_plan(
            LabelPool(), source, crop, frames, seed, masked, jittered
        )
        clips = render(textured(source, seed), plan)
        assert seen_labels(clips, plan, plan.boxes) == plan.labels.tolist()


@settings(max_examples=50)
@given(
    pools,
    st.integers(56, 80),
    st.integers(56, 80),
    st.integers(9, 16),
    st.booleans(),
    st.booleans(),
    seeds,
)
def test_pixels_show_the_displacement(
    pool, height, width, frames, masked, jittered, seed
):
    plan = draw_plan(pool, (height, width), 32, frames, seed, masked, jittered)
    clips = render(textured_image((height, width), seed), plan)
    told = plan.pool.speeds * room(plan) / plan.pool.max_speed
    # The fastest step there can be, which is more than half a small box.
    max_step = -(-int(room(plan).max()) // (frames - 1))
    for c, clip in enumerate(clips):
        box = None if plan.boxes is None else plan.boxes[c].tolist()
        seen = measured_motion(clip, box, max_step)
        np.testing.assert_allclose(seen, told[c], atol=0.5)


@every_kind
@pytest.mark.parametrize(
    'spoil, signs',
    [
        (lambda clips: clips[:, :, :, ::-1], (-1, 1)),
        (lambda clips: clips[:, :, ::-1], (1, -1)),
        (lambda clips: clips[:, ::-1], (-1, -1)),
    ],
    ids=['flip', 'flip-upside-down', 'play-backwards'],
)
def test_a_flip_after_rendering_is_found_out(
    spoil, signs, masked, jittered, textured
):
    # The mutation: augment finished clips and keep their labels.
    plan = draw_plan(LabelPool(), 64, 32, 8, 0, masked, jittered)
    clips = spoil(render(textured(64), plan))
    boxes = plan.boxes
    if masked and signs != (-1, -1):
        boxes = mirrored_boxes(boxes, 32, signs)
    seen = seen_labels(clips, plan, boxes)
    assert seen == mirrored_labels(plan.pool, signs).tolist()
    moved = (plan.pool.speeds * signs != plan.pool.speeds).any(axis=1)
    np.testing.assert_array_equal(seen != plan.labels, moved)
    assert moved.sum() == 4 * signs.count(-1)


def test_where_pixels_show_nothing_there_is_no_motion():
    flat = np.full((8, 32, 32, 3), 128, np.uint8)
    assert measured_motion(flat) == (0, 0)
    assert measured_motion(flat, (3, 4, 13, 14)) == (0, 0)


@pytest.mark.parametrize('kind', ['plain', 'jittered'])
def test_photographs_show_the_label(kind, shared_data):
    photos = sorted((shared_data / 'images').rglob('*.[jJ][pP]*[gG]'))
    assert photos
    for seed, path in enumerate(photos[:: len(photos) // 8][:8]):
        image = cv2.resize(
            cv2.imread(str(path)), (64, 64), interpolation=cv2.INTER_AREA
        )
        plan = draw_plan(
            LabelPool(), 64, 32, 8, seed, jittered=kind == 'jittered'
        )
        clips = render(image, plan)
        assert seen_labels(clips, plan) == plan.labels.tolist(), path
