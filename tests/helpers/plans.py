"""Plans that Hypothesis draws, and the paper's rendering as a slow loop."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import strategies as st

from helpers import color_truth
from mosi_mmaction import (
    ColorJitter,
    LabelPool,
    draw_color_jitter,
    draw_motion,
    draw_moving_background,
    draw_static_mask,
)
from mosi_mmaction.method.labels import MOTIONS
from mosi_mmaction.method.mattes import SHAPES

seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from(
    [('x', True), ('y', True), ('xy', True), ('xy', False)]
)  # axes, decoupled
pools = st.builds(
    lambda speeds, shape, static: LabelPool(speeds, *shape, static),
    st.sampled_from([3, 5, 7]),
    shapes,
    st.booleans(),
)
every_kind = pytest.mark.parametrize(
    'masked, jittered',
    [(False, False), (False, True), (True, False), (True, True)],
    ids=['plain', 'jittered', 'masked', 'masked-jittered'],
)


def draw_plan(
    pool,
    source,
    crop,
    frames,
    seed,
    masked=False,
    jittered=False,
    side_ratio=(0.3, 0.5),
):
    rng = np.random.default_rng(seed)
    plan = draw_motion(pool, source, crop, frames, rng)
    if masked:
        plan = draw_static_mask(plan, side_ratio, rng=rng)
    if jittered:
        plan = draw_color_jitter(plan, ColorJitter(), rng)
    return plan


@st.composite
def plans(draw, masked=None, jittered=None, max_crop=40, max_frames=9):
    """Plans of odd sizes: the source up to four crops long, not square."""
    crop = draw(st.integers(1, max_crop), label='crop')
    source = draw(st.tuples(*[st.integers(crop, 4 * crop)] * 2), label='H, W')
    ratios = st.floats(0.01, 1)
    return draw_plan(
        draw(pools),
        source,
        crop,
        draw(st.integers(2, max_frames)),
        draw(seeds),
        draw(st.booleans()) if masked is None else masked,
        draw(st.booleans()) if jittered is None else jittered,
        sorted(draw(st.tuples(ratios, ratios))),
    )


def noise(plan, seed=0):
    return np.random.default_rng(seed).integers(
        0, 256, (*plan.source_size, 3), dtype=np.uint8
    )


@st.composite
def layered_plans(
    draw,
    interpolated=None,
    jittered=None,
    size=(60, 66),
    crop=24,
    frames=6,
):
    """Small plans of everything that there is."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    motions = ('shift',)
    if interpolated or interpolated is None and draw(st.booleans()):
        motions = draw(st.sampled_from([MOTIONS, ('shift', 'swing')]))
    pool = LabelPool(3, motions=motions, signed=draw(st.booleans()))
    plan = draw_motion(
        pool,
        size,
        crop,
        frames,
        rng,
        draw(st.sampled_from([0, 0.7])),
        draw(st.sampled_from([0, 0.05])),
    )
    if draw(st.integers(0, 5)):
        plan = draw_static_mask(
            plan,
            (0.3, 0.6),
            rng=rng,
            shape=draw(st.sampled_from(SHAPES)),
            soft=draw(st.sampled_from([0, 0.3])),
            travels=draw(st.booleans()),
            num_distractors=draw(st.integers(0, 2)),
        )
        camera = draw(st.sampled_from(['', 'absolute', 'relative', 'zoom']))
        if camera:
            zoom = camera == 'zoom' and interpolated is not False
            plan = draw_moving_background(
                plan,
                0.15,
                1.3 if zoom else 1.0,
                'relative' if camera == 'relative' else 'absolute',
                draw(st.sampled_from(['same', 'other'])),
                rng=rng,
            )
    if jittered or jittered is None and draw(st.booleans()):
        plan = draw_color_jitter(plan, ColorJitter(), rng)
    return plan


def nearest(value):
    return floor(abs(value) + Fraction(1, 2)) * (1 if value > 0 else -1)


def slow_render(image, plan, rng):
    """The paper's equations, one pixel after the other.

    Only where a path starts, the box, q and the jitter are taken from the
    plan. Colours go through the operations in a random order, as floats.
    """
    (height, width), size = plan.source_size, plan.crop_size
    k, gaps = plan.pool.max_speed, plan.clip_len - 1
    out = np.empty(plan.shape, np.int64)
    for i, (x, y) in enumerate(plan.pool.speeds.tolist()):
        dx = nearest(Fraction((width - size) * x, k))  # Eq. 2
        dy = nearest(Fraction((height - size) * y, k))
        u = []
        for n in range(gaps + 1):
            left = plan.offsets[i, 0, 0] + nearest(Fraction(dx * n, gaps))
            top = plan.offsets[i, 0, 1] + nearest(Fraction(dy * n, gaps))
            frame = image[top : top + size, left : left + size]
            if plan.color is not None:
                values = {
                    name: value[i, n]
                    for name, value in vars(plan.color).items()
                }
                order = rng.permutation(color_truth.NAMES)
                frame = color_truth.chain(frame, values, order)
            u.append(color_truth.to_levels(frame))
        for p in range(gaps + 1):
            for a in range(size):  # row
                for b in range(size):  # column
                    moves = plan.boxes is None or (
                        plan.boxes[i, 0] <= b < plan.boxes[i, 2]
                        and plan.boxes[i, 1] <= a < plan.boxes[i, 3]
                    )
                    q = p if moves else plan.background[i]  # Eq. 3
                    out[i, p, a, b] = u[q][a, b]
    return out
