"""Pseudo-motion against the paper's equations and against its own pixels."""

import random
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.plans import (
    draw_plan,
    every_kind,
    noise,
    plans,
    pools,
    seeds,
)
from mosi_mmaction.method.color import ColorJitter
from mosi_mmaction.method.motion import (
    LabelPool,
    draw_color_jitter,
    draw_motion,
    draw_static_mask,
    render,
)


def arrays(plan):
    """All arrays of a plan by name."""
    found = {'offsets': plan.offsets}
    if plan.boxes is not None:
        found.update(boxes=plan.boxes, background=plan.background)
    if plan.color is not None:
        found.update(vars(plan.color))
    return found


def assert_same_plan(one, other):
    assert arrays(one).keys() == arrays(other).keys()
    for name, value in arrays(one).items():
        np.testing.assert_array_equal(value, arrays(other)[name], name)


def assert_even(counts, total):
    """All counts are what chance allows for equally likely outcomes."""
    expected = total / counts.size
    assert counts.sum() == total
    assert abs(counts - expected).max() < 5 * expected**0.5


def room(plan):
    return np.array(plan.source_size[::-1]) - plan.crop_size  # x, y


# Motion, Eq. 2


@pytest.mark.parametrize(
    'num_speeds, distances',
    [
        (3, [-208, 208]),
        (5, [-208, -104, 104, 208]),
        (7, [-208, -139, -69, 69, 139, 208]),  # thirds, to the nearest pixel
    ],
)
def test_distances_of_the_paper(num_speeds, distances, rng):
    plan = draw_motion(LabelPool(num_speeds), 320, 112, 16, rng)
    moved = (plan.offsets[:, -1] - plan.offsets[:, 0]).tolist()
    assert moved == (
        [[d, 0] for d in distances] + [[0, d] for d in distances] + [[0, 0]]
    )
    assert plan.offsets.shape == (len(moved), 16, 2)


@given(plans(masked=False, jittered=False, max_frames=33))
def test_path_is_that_of_eq_2(plan):
    offsets, k, gaps = plan.offsets, plan.pool.max_speed, plan.clip_len - 1
    assert (offsets >= 0).all()
    assert (offsets <= room(plan)).all()
    moved = offsets - offsets[:, :1]
    total = moved[:, -1]  # the exact end, to the nearest pixel
    assert (2 * abs(k * total - plan.pool.speeds * room(plan)) <= k).all()
    steady = np.arange(gaps + 1)[:, None] * total[:, None]  # times gaps
    assert (2 * abs(gaps * moved - steady) <= gaps).all()
    sign = np.sign(plan.pool.speeds)[:, None]
    assert (np.diff(moved, axis=1) * sign >= 0).all()  # never back
    assert (moved[np.broadcast_to(sign == 0, moved.shape)] == 0).all()


@given(plans(masked=False, jittered=False, max_frames=33))
def test_mirrored_speed_has_the_mirrored_path(plan):
    moved = plan.offsets - plan.offsets[:, :1]
    speeds = plan.pool.speeds
    for speed, path in zip(speeds, moved):
        [mirrored] = moved[(speeds == -speed).all(axis=1)]
        np.testing.assert_array_equal(mirrored, -path)


@pytest.mark.parametrize('frames', range(2, 34))
def test_step_does_not_depend_on_the_length(frames, rng):
    # With a source that grows with the path, a speed is a speed: here three
    # pixels a frame for each unit.
    pool = LabelPool(5, decoupled=False)
    side = 20 + (frames - 1) * 2 * 3
    steps = np.diff(draw_motion(pool, side, 20, frames, rng).offsets, axis=1)
    assert (steps == 3 * pool.speeds[:, None]).all()


def test_start_is_uniform_over_where_the_end_fits(rng):
    pool, source, crop, draws = LabelPool(5, decoupled=False), 12, 4, 3000
    starts = np.stack(
        [
            draw_motion(pool, source, crop, 3, rng).offsets[:, 0]
            for _ in range(draws)
        ],
        axis=1,
    )  # (C, draws, 2)
    for speed, (x, y) in zip(pool.speeds, starts.transpose(0, 2, 1)):
        low = np.where(speed < 0, -4 * speed, 0)  # 8 pixels of room, K = 2
        high = np.where(speed > 0, 8 - 4 * speed, 8)
        counts, _, _ = np.histogram2d(
            x, y, [np.arange(a, b + 2) for a, b in zip(low, high)]
        )
        assert_even(counts, draws)


def test_starts_of_different_clips_have_nothing_in_common(rng):
    starts = np.array(
        [
            draw_motion(LabelPool(), 300, 20, 4, rng).offsets[:, 0]
            for _ in range(1000)
        ],
        float,
    )
    still = starts.reshape(1000, -1)[
        :, np.ptp(starts.reshape(1000, -1), axis=0) > 0
    ]  # full speed has one start
    assert still.shape[1] == 14
    others = np.corrcoef(still.T)[~np.eye(14, dtype=bool)]
    assert abs(others).max() < 5 / 1000**0.5


def test_no_room_no_motion(rng):
    plan = draw_motion(LabelPool(), 32, 32, 4, rng)
    assert (plan.offsets == 0).all()
    plan = draw_motion(LabelPool(), (32, 40), 32, 4, rng)  # H, W
    assert (plan.offsets[..., 1] == 0).all()
    assert plan.offsets[3, :, 0].tolist() == [0, 3, 5, 8]


@pytest.mark.parametrize(
    'source, crop, frames, message',
    [
        (112, 113, 16, 'crop_size=113 .*112x112.*CropSource.size'),
        ((100, 320), 112, 16, 'crop_size=112 .*100x320'),
        ((320, 100), 112, 16, 'crop_size=112 .*320x100'),
        (0, 112, 16, 'crop_size=112 .*0x0'),
        (320, 0, 16, 'crop_size=0.*at least 1'),
        (320, -1, 16, 'crop_size=-1.*at least 1'),
        (320, 112, 1, 'clip_len=1.*at least 2'),
        (320, 112, 0, 'clip_len=0.*at least 2'),
        (
            (1, 2, 3),
            112,
            16,
            r'^source_size=\(1, 2, 3\): .* \(height, width\)$',
        ),
        ((320, 99.5), 112, 16, '^source_size=99.5: must be a whole number'),
        ((True, 320), 112, 16, '^source_size=True: must be a whole number'),
        (320, 11.2, 16, '^crop_size=11.2: must be a whole number'),
        (320, 112, '16', "^clip_len='16': must be a whole number"),
    ],
)
def test_wrong_sizes(source, crop, frames, message, rng):
    with pytest.raises(ValueError, match=message):
        draw_motion(LabelPool(), source, crop, frames, rng)


# Static mask, Eq. 3


@given(plans(masked=True))
def test_only_the_box_moves(plan):
    image = noise(plan)
    clips = render(image, plan)
    unmasked = render(image, replace(plan, boxes=None, background=None))
    for clip, whole, box, q in zip(
        clips, unmasked, plan.boxes.tolist(), plan.background
    ):
        x1, y1, x2, y2 = box
        np.testing.assert_array_equal(
            clip[:, y1:y2, x1:x2], whole[:, y1:y2, x1:x2]
        )
        clip[:, y1:y2, x1:x2] = whole[:, y1:y2, x1:x2] = 0
        np.testing.assert_array_equal(
            clip, np.broadcast_to(whole[q], clip.shape)
        )


@given(
    plans(masked=False, jittered=False),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
    seeds,
)
def test_box_lies_in_the_crop(plan, one, other, seed):
    low, high = sorted((one, other))
    masked = draw_static_mask(
        plan, (low, high), rng=np.random.default_rng(seed)
    )
    assert masked.offsets is plan.offsets
    size = plan.crop_size
    side = masked.boxes[:, 2:] - masked.boxes[:, :2]
    assert (side[:, 0] == side[:, 1]).all()
    assert side.min() >= max(1, np.rint(low * size))
    assert side.max() <= max(1, np.rint(high * size))
    assert masked.boxes.min() >= 0
    assert masked.boxes.max() <= size
    assert masked.boxes.shape == (len(plan.pool), 4)
    assert masked.background.min() >= 0
    assert masked.background.max() < plan.clip_len


def test_boxes_and_backgrounds_are_uniform(rng):
    plan = draw_motion(LabelPool(), 320, 112, 16, rng)
    drawn = [draw_static_mask(plan, rng=rng) for _ in range(1000)]
    boxes = np.concatenate([p.boxes for p in drawn])
    side = boxes[:, 2] - boxes[:, 0]
    assert side.min() == 34  # 0.3 of 112 is 33.6
    assert side.max() == 56
    inner = side[(side > 34) & (side < 56)]  # the ends are cut bins
    assert_even(np.bincount(inner)[35:], len(inner))
    place = boxes[:, :2] / (112 - side[:, None])
    counts, _, _ = np.histogram2d(*place.T, 4, [[0, 1]] * 2)
    assert_even(counts, 9000)
    background = np.concatenate([p.background for p in drawn])
    assert_even(np.bincount(background, minlength=16), 9000)


def test_every_place_of_the_box_is_reached(rng):
    plan = draw_motion(LabelPool(), 12, 6, 3, rng)
    corners = np.concatenate(
        [draw_static_mask(plan, 0.5, rng=rng).boxes[:, :2] for _ in range(500)]
    )
    counts, _, _ = np.histogram2d(*corners.T, [np.arange(5)] * 2)
    assert_even(counts, 4500)


def test_masks_of_different_clips_differ(rng):
    plan = draw_motion(LabelPool(), 320, 112, 16, rng)
    plan = draw_static_mask(plan, rng=rng)
    assert len(np.unique(plan.boxes, axis=0)) > 5
    assert len(np.unique(plan.boxes[:, 2] - plan.boxes[:, 0])) > 3
    assert len(np.unique(plan.background)) > 3


@pytest.mark.parametrize(
    'ratio, side',
    [(0.3, 30), (1, 100), ((0.25, 0.25), 25), ([0.5, 0.5], 50), (0.001, 1)],
)
def test_fixed_side_ratio(ratio, side, rng):
    plan = draw_motion(LabelPool(), 200, 100, 4, rng)
    boxes = draw_static_mask(plan, ratio, rng=rng).boxes
    assert (boxes[:, 2:] - boxes[:, :2] == side).all()


@pytest.mark.parametrize(
    'ratio',
    [
        0,
        -0.1,
        1.1,
        (0.5, 0.3),
        (0, 0.5),
        (0.5, 1.01),
        (0.3,),
        (),
        (0.1, 0.2, 0.3),
        float('nan'),
        (0.3, float('nan')),
    ],
)
def test_wrong_side_ratio(ratio, rng):
    plan = draw_motion(LabelPool(), 200, 100, 4, rng)
    with pytest.raises(ValueError) as error:
        draw_static_mask(plan, ratio, rng=rng)
    assert str(error.value) == (
        f'side_ratio={ratio!r}: use one ratio of the crop side or '
        '(smallest, largest), both in (0, 1]'
    )


@every_kind
def test_plan_describes_the_clips(masked, jittered):
    plan = draw_plan(LabelPool(7), (70, 80), 30, 5, 0, masked, jittered)
    assert plan.labels.tolist() == list(range(13))
    assert plan.clip_len == 5
    assert plan.source_size == (70, 80)
    assert plan.shape == (13, 5, 30, 30, 3)


# Randomness


@given(pools, seeds, st.booleans(), st.booleans())
def test_draws_use_nothing_but_their_generator(pool, seed, masked, jittered):
    def plan():
        return draw_plan(pool, (90, 70), 30, 6, seed, masked, jittered)

    np.random.seed(1)
    random.seed(1)
    one = plan()
    np.random.seed(2)
    random.seed(2)
    state = np.random.get_state()[1].copy(), random.getstate()
    assert_same_plan(one, plan())
    np.testing.assert_array_equal(np.random.get_state()[1], state[0])
    assert random.getstate() == state[1]


def test_other_seeds_other_plans():
    drawn = [
        draw_plan(LabelPool(), 320, 112, 16, seed, True, True)
        for seed in range(50)
    ]
    for name in arrays(drawn[0]):
        # Nine clips, each grey or not: some draws of these are the same.
        few = 35 if 'gray' in name else 50
        assert len({arrays(plan)[name].tobytes() for plan in drawn}) >= few


def test_a_mask_and_a_jitter_leave_the_motion_as_drawn():
    # What is drawn later cannot change what was drawn before.
    plain = draw_plan(LabelPool(), 320, 112, 16, 0)
    masked = draw_plan(LabelPool(), 320, 112, 16, 0, True)
    both = draw_plan(LabelPool(), 320, 112, 16, 0, True, True)
    assert_same_plan(plain, replace(masked, boxes=None, background=None))
    assert_same_plan(masked, replace(both, color=None))


@every_kind
def test_plans_are_read_only(masked, jittered):
    plan = draw_plan(LabelPool(), 64, 32, 4, 0, masked, jittered)
    for array in [
        *arrays(plan).values(),
        plan.pool.speeds,
        plan.pool.axis_labels,
    ]:
        with pytest.raises(ValueError, match='read-only'):
            array[0] = 0
    with pytest.raises(FrozenInstanceError):
        plan.crop_size = 16
    with pytest.raises(FrozenInstanceError):
        plan.pool.num_speeds = 3


def test_jitter_is_drawn_for_every_frame_of_the_plan():
    pool = LabelPool(num_speeds=3)
    plan = draw_motion(pool, 64, 32, 7, np.random.default_rng(0))
    jitter = ColorJitter(hue=0.1)
    jittered = draw_color_jitter(plan, jitter, np.random.default_rng(6))
    expected = jitter.draw((5, 7), np.random.default_rng(6))
    for name in ('brightness', 'contrast', 'saturation', 'hue', 'grayscale'):
        values = getattr(jittered.color, name)
        assert len(np.unique(values)) > 1, name
        np.testing.assert_array_equal(values, getattr(expected, name))
    assert plan.color is None
    np.testing.assert_array_equal(jittered.offsets, plan.offsets)
