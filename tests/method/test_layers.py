"""Layers against a slow loop, their invariants, and the paper untouched."""

import hashlib
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.motion_truth import textured_image
from helpers.plans import layered_plans
from mosi_mmaction import (
    ColorJitter,
    DrawMovingBackground,
    DrawPseudoMotion,
    DrawStaticMask,
    LabelPool,
    draw_color_jitter,
    draw_motion,
    draw_moving_background,
    draw_static_mask,
    render,
)
from mosi_mmaction.method.color import LUMA
from mosi_mmaction.method.labels import MOTIONS
from mosi_mmaction.method.layers import layers_of
from mosi_mmaction.method.mattes import SHAPES, draw_matte

#: Clips of the paper's recipe, rendered before there were layers: digests of
#: pixels and labels, by case and by (masked, jittered).
PAPER = {
    'paper': ('993e5a544ab3e12a', 'a49fdf0783dd3498',
              '4f986e6c4696f48e', '15cf84c4009ae87a'),
    'tiny': ('67fc4dddd12ffe24', '1159719714754d3a',
             '92b0fbaa38c9818b', 'a1ff1601efafcb50'),
    'x': ('fd77810fc20d9f61', '655697e6c1f57f72',
          'b5d2746b6a3f1e9f', '79daca244b98e5f5'),
    'pairs': ('4b22084366b61ac4', 'd4edb3fe935589d1',
              '09b50307facb3f06', 'bb094c84e68c6d15'),
    'seven': ('6434ded9815e4a42', 'b2ac63a38cb6ad39',
              '7e97ef19406de27d', '01d43c5b84d89183'),
}  # fmt: skip
CASES = {
    'paper': (dict(), (320, 320), 112, 16, (0.3, 0.5)),
    'tiny': (dict(), (64, 64), 32, 8, (0.4, 0.7)),
    'x': (dict(axes='x'), (90, 70), 30, 5, (0.3, 0.5)),
    'pairs': (
        dict(decoupled=False, num_speeds=3), (70, 90), 31, 7, (0.2, 0.9)
    ),
    'seven': (
        dict(num_speeds=7, static=False), (150, 160), 40, 12, (0.5, 0.5)
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', CASES)
def test_the_paper_is_untouched(name):
    pool, size, crop, frames, ratio = CASES[name]
    for index, expected in enumerate(PAPER[name]):
        digest = hashlib.sha256()
        for seed in range(1 if name == 'paper' else 5):
            rng = np.random.default_rng(seed)
            image = np.random.default_rng(seed).integers(
                0, 256, (*size, 3), dtype=np.uint8
            )
            plan = draw_motion(LabelPool(**pool), size, crop, frames, rng)
            if index & 2:
                plan = draw_static_mask(plan, ratio, rng=rng)
            if index & 1:
                jitter = ColorJitter(grayscale=0)
                plan = draw_color_jitter(plan, jitter, rng)
            digest.update(render(image, plan).tobytes())
            digest.update(plan.labels.tobytes())
        assert digest.hexdigest()[:16] == expected, (index & 2, index & 1)


def images_of(plan, seed=0):
    return [textured_image(plan.source_size, seed + i) for i in range(2)]


def sample(image, x, y, outside=None):
    """One value between four pixels; beyond the border the nearest, or 0."""
    height, width = image.shape[:2]
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    value = 0.0
    for row, wy in ((y0, 1 - (y - y0)), (y0 + 1, y - y0)):
        for column, wx in ((x0, 1 - (x - x0)), (x0 + 1, x - x0)):
            inside = 0 <= row < height and 0 <= column < width
            if inside or outside is None:
                row_, column_ = (
                    min(max(row, 0), height - 1),
                    min(max(column, 0), width - 1),
                )
                value = value + wy * wx * image[row_, column_].astype(float)
    return value


def slow_render(image, plan, other):
    """Lay pixel over pixel, as the grammar says."""
    out = np.zeros(plan.shape, np.uint8)
    size = plan.crop_size
    for layer in layers_of(plan):
        pixels = other if layer.other else image
        for c, n in np.ndindex(*plan.offsets.shape[:2]):
            if layer.visible is not None and not layer.visible[c, n]:
                continue
            affine = None
            if plan.color is not None:
                x, y = layer.windows[c, n]
                window = pixels[y : y + size, x : x + size]
                draw = layer.draws[c, n]
                affine = replace(
                    plan.color,
                    **{k: v[c, draw] for k, v in vars(plan.color).items()},
                ).matrices((window @ LUMA).mean())
            for b, a in np.ndindex(size, size):
                at = np.array([a, b, 1])
                x, y = layer.maps[c, n] @ at
                value = sample(pixels, round(x, 9), round(y, 9))
                if affine is not None:
                    value = affine @ np.append(value, 1)
                value = np.rint(np.clip(value, 0, 255))
                opacity = 255
                if layer.alphas is not None:
                    x, y = layer.places[c, n] @ at
                    opacity = np.rint(
                        sample(layer.alphas[c], round(x, 9), round(y, 9), 0)
                    )
                under = out[c, n, b, a]
                mixed = (opacity * value + (255 - opacity) * under) / 255
                out[c, n, b, a] = np.floor(mixed + 0.5)
    return out


@settings(max_examples=15)
@given(layered_plans(False, False, (44, 46), 14, 4))
def test_integer_shifts_are_the_slow_loop_to_the_byte(plan):
    image, other = images_of(plan)
    np.testing.assert_array_equal(
        render(image, plan, other=other), slow_render(image, plan, other)
    )


@settings(max_examples=8)
@given(layered_plans(None, None, (44, 46), 14, 4))
def test_the_slow_loop_within_two_levels(plan):
    image, other = images_of(plan)
    fast = render(image, plan, other=other).astype(int)
    assert abs(fast - slow_render(image, plan, other)).max() <= 2


@settings(max_examples=60)
@given(layered_plans())
def test_windows_lie_in_the_image(plan):
    size = np.array(plan.source_size[::-1])
    assert (plan.offsets >= 0).all()
    assert (plan.offsets <= size - plan.crop_size).all()
    for layer in layers_of(plan):
        assert (layer.windows >= 0).all()
        assert (layer.windows <= size - plan.crop_size).all()
    # Foreground and background need no pixel that is not there.
    *_, front = layers = layers_of(plan)
    ends = plan.crop_size - 1
    for layer in (layers[0], front):
        if layer.alphas is None:
            corners = np.array(
                [[0, 0, 1], [ends, 0, 1], [0, ends, 1], [ends, ends, 1]]
            )
            at = (layer.maps[:, :, None] @ corners[..., None])[..., 0]
        else:
            x1, y1, x2, y2 = np.moveaxis(plan.frame_boxes, -1, 0)
            one = np.ones_like(x1)
            travels = plan.matte is not None and plan.matte.travels
            if travels and plan.warp is not None:
                continue  # its corners turn with it; the outline is inside
            corners = np.stack(
                [
                    np.stack(p, -1)
                    for p in (
                        (x1, y1, one),
                        (x2 - 1, y1, one),
                        (x1, y2 - 1, one),
                        (x2 - 1, y2 - 1, one),
                    )
                ],
                2,
            )
            at = (layer.maps[:, :, None] @ corners[..., None])[..., 0]
        assert at.min() >= -1e-6
        assert (at <= size - 1 + 1e-6).all()


@settings(max_examples=60)
@given(layered_plans())
def test_labels_are_read_off_what_was_drawn(plan):
    assert plan.labels.tolist() == list(range(len(plan.pool)))
    if plan.drawn is not None and not plan.pool.signed:
        turned = replace(plan, drawn=plan.drawn[::-1])
        assert turned.labels.tolist() == plan.labels[::-1].tolist()


def test_unsigned_motions_go_both_ways(rng):
    pool = LabelPool(motions=('shift', 'turn'), signed=False)
    assert pool.names == (
        'sideways-1', 'sideways-2', 'up-2', 'up-1', 'down-1', 'down-2',
        'turn-1', 'turn-2', 'static',
    )  # fmt: skip
    ways = np.array(
        [
            np.sign(draw_motion(pool, 64, 32, 8, rng).drawn[[0, 6]].sum(1))
            for _ in range(200)
        ]
    )
    assert (abs(ways.mean(0)) < 0.25).all()


def test_order_and_names_of_all_motions():
    pool = LabelPool(3, motions=('swing', 'zoom', 'shift', 'turn'))
    assert pool.motions == MOTIONS
    assert pool.names == (
        'left-1', 'right-1', 'up-1', 'down-1', 'zoom-out-1', 'zoom-in-1',
        'turn-left-1', 'turn-right-1', 'swing-x-1', 'swing-y-1', 'static',
    )  # fmt: skip
    assert pool.axis_classes == (3, 3, 3, 3, 2, 2)
    assert pool.axis_labels[-1].tolist() == [1, 1, 1, 1, 0, 0]
    assert pool.axis_labels[5].tolist() == [1, 1, 2, 1, 0, 0]
    assert pool == LabelPool(3, motions=list(MOTIONS))
    assert pickle.loads(pickle.dumps(pool)) == pool


@pytest.mark.parametrize('shape', SHAPES)
def test_mattes_fill_their_boxes(shape, rng):
    sides = np.full(40, 31)
    for soft in (0, 0.3):
        for alpha in draw_matte(sides, shape, soft, False, rng).alphas:
            assert alpha.shape == (31, 31)
            assert 0.2 < alpha.mean() / 255 <= 1
            assert alpha.max() == 255
            levels = len(np.unique(alpha))
            assert levels > 4 if soft else levels <= 2


@settings(max_examples=60)
@given(st.floats(0.05, 1), st.integers(0, 2**32 - 1))
def test_ease_and_shake_keep_the_net_motion(ease, seed):
    pool = LabelPool()
    plan = draw_motion(
        pool, 120, 40, 12, np.random.default_rng(seed), ease, 0.05
    )
    way = plan.offsets[:, -1] - plan.offsets[:, 0]
    np.testing.assert_array_equal(way, pool.speeds * (80 - 2 * 2) // 2)


def test_the_camera_does_not_know_the_label(rng):
    ways = []
    for _ in range(400):
        plan = draw_motion(LabelPool(), 128, 48, 8, rng)
        plan = draw_static_mask(plan, rng=rng)
        plan = draw_moving_background(plan, 0.3, rng=rng)
        ways.append(plan.camera.offsets[:, -1] - plan.camera.offsets[:, 0])
    ways = np.array(ways)  # (400, C, 2)
    assert abs(ways).max() == 14
    spread = ways.std() / 400**0.5
    assert (abs(ways.mean(0)) < 4.5 * spread).all()


def test_distractors_flicker_by_halves_and_have_other_sizes(rng):
    plan = draw_motion(LabelPool(), 96, 48, 12, rng)
    same, visible = [], []
    for _ in range(60):
        drawn = draw_static_mask(plan, rng=rng, num_distractors=2)
        sides = drawn.boxes[:, 2] - drawn.boxes[:, 0]
        assert (
            np.sort(drawn.distractors.matte.sides, 0)
            == np.sort(sides)[:, None]
        ).all()
        same.append(drawn.distractors.matte.sides == sides[:, None])
        visible.append(drawn.distractors.visible)
    share = np.stack(visible).mean(-1).ravel()  # of the frames, 1080
    # Bounds of more than five standard deviations.
    assert abs((share == 1).mean() - 0.5) < 0.08
    assert abs(share[share < 1].mean() - 0.5) < 0.04
    # The foreground is not the one that is as large as a distractor.
    assert np.mean(same) < 0.5


def test_distractors_show_the_source_alone_if_the_camera_zooms(rng):
    corners = np.array([[0, 0, 1], [39, 0, 1], [0, 39, 1], [39, 39, 1]])
    for _ in range(30):
        plan = draw_motion(LabelPool(), 72, 40, 4, rng)
        plan = draw_static_mask(plan, rng=rng, num_distractors=3)
        plan = draw_moving_background(plan, 0.1, 2.0, rng=rng)
        for layer in layers_of(plan)[:-1]:
            places = layer.maps @ corners.T  # (C, N, 2, 4)
            assert places.min() >= 0 and places.max() <= 71


@pytest.mark.filterwarnings('error')
def test_an_object_as_large_as_the_frame_follows_the_camera(rng):
    plan = draw_motion(LabelPool(motions=('zoom',)), 96, 32, 8, rng)
    plan = draw_static_mask(plan, 1.0, rng=rng, travels=True)
    plan = draw_moving_background(plan, 0.25, 1.0, 'relative', rng=rng)
    ways = [p - p[:, :1] for p in (plan.offsets, plan.camera.offsets)]
    np.testing.assert_array_equal(*ways)
    assert plan.offsets.min() >= 0 and plan.offsets.max() <= 96 - 32


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: LabelPool(motions=('fly',)), r"motions=\('fly',\)"),
        (lambda: LabelPool(motions=()), 'motions='),
        (lambda: DrawPseudoMotion(ease=2), 'ease=2: .* in .0, 1.'),
        (lambda: DrawPseudoMotion(shake=-1), 'shake=-1'),
        (lambda: DrawStaticMask(shape='star'), "shape='star'"),
        (lambda: DrawStaticMask(soft=2), 'soft=2'),
        (lambda: DrawStaticMask(num_distractors=-1), 'num_distractors=-1'),
        (lambda: DrawMovingBackground(-1), 'max_shift=-1'),
        (lambda: DrawMovingBackground(max_zoom=3), 'max_zoom=3'),
        (lambda: DrawMovingBackground(label='x'), "label='x'"),
        (lambda: DrawMovingBackground(texture='x'), "texture='x'"),
        (
            lambda: DrawMovingBackground(0.1, 1.2, 'relative'),
            "label='relative' with max_zoom=1.2",
        ),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_no_room(rng):
    with pytest.raises(ValueError, match='CropSource.size larger'):
        draw_motion(LabelPool(motions=('turn',)), 36, 32, 8, rng)
    plan = draw_motion(LabelPool(), 64, 32, 8, rng)
    with pytest.raises(ValueError, match='put DrawStaticMask before'):
        draw_moving_background(plan, rng=rng)
    with pytest.raises(ValueError, match='side_ratio smaller'):
        draw_static_mask(plan, 1.0, rng=rng, travels=True)
    plan = draw_static_mask(plan, rng=rng)
    with pytest.raises(ValueError, match='max_shift=1.5'):
        draw_moving_background(plan, 1.5, rng=rng)
    with pytest.raises(ValueError, match='8 frames.*fewer speeds'):
        draw_motion(LabelPool(9, motions=('swing',)), 64, 32, 8, rng)
