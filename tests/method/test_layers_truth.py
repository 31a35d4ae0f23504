"""Layers: what the pixels of foreground and background show is the label."""

import cv2
import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmengine.config import Config

from helpers.layer_truth import label_seen, measure, texture
from helpers.motion_truth import textured_image
from mosi_mmaction import (
    ColorJitter,
    LabelPool,
    config_path,
    draw_color_jitter,
    draw_motion,
    draw_moving_background,
    draw_static_mask,
    render,
)
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.method.layers import layers_of
from mosi_mmaction.method.mattes import SHAPES
from mosi_mmaction.method.trajectories import MAX_TURN, MAX_ZOOM
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves

SOURCE, CROP, FRAMES = 200, 80, 16
COMBINATIONS = 240
#: Slope of the least textured matte that is judged, in grey levels a pixel.
TEXTURE = 2


def draw_combination(seed):
    """Draw a plan with all of what can be drawn, by chance."""
    rng = np.random.default_rng([seed, 23])

    def pick(*values):
        return values[rng.integers(len(values))]

    pool = LabelPool(
        motions=pick(
            ('shift',),
            ('shift', 'zoom'),
            ('shift', 'turn'),
            ('shift', 'swing'),
            ('shift', 'zoom', 'turn', 'swing'),
        ),
        signed=pick(True, True, False),
    )
    plan = draw_motion(
        pool,
        SOURCE,
        CROP,
        FRAMES,
        rng,
        ease=pick(0.0, 0.6),
        shake=pick(0.0, 0.02),
    )
    plan = draw_static_mask(
        plan,
        (0.55, 0.7),
        rng=rng,
        shape=pick(*SHAPES),
        soft=pick(0.0, 0.2),
        travels=pick(False, True),
        num_distractors=pick(0, 0, 2),
    )
    camera = pick(None, 'absolute', 'relative', 'zoom')
    if camera is not None:
        plan = draw_moving_background(
            plan,
            0.15,
            1.2 if camera == 'zoom' else 1.0,
            'relative' if camera == 'relative' else 'absolute',
            pick('same', 'other'),
            rng=rng,
        )
    if pick(False, True):
        plan = draw_color_jitter(plan, ColorJitter(0.3, 0.3, 0.3, 0.1), rng)
    return plan


def opacity(layer, c, size):
    """Opacity of a layer in every frame, (N, L, L) float."""
    side = layer.alphas[c].shape[0]
    padded = cv2.copyMakeBorder(layer.alphas[c], 1, 1, 1, 1, 0, value=0)
    row, column = np.mgrid[:size, :size]
    pixel = np.stack([column, row, np.ones_like(row)], -1)[..., None]
    out = []
    for place, there in zip(layer.places[c], layer.visible[c]):
        x, y = np.moveaxis((place @ pixel)[..., 0], -1, 0) + 1
        x, y = (np.clip(v, 0, side + 1).astype(np.float32) for v in (x, y))
        out.append(cv2.remap(padded, x, y, cv2.INTER_LINEAR) * there)
    return np.array(out)


def measured(plan, image, other, labels=None):
    """Return label and camera seen, camera drawn, texture of some clips."""
    clips = render(image, plan, other=other)
    room = SOURCE - CROP
    travel = np.array([room, room], float)
    if plan.matte is not None and plan.matte.travels:
        sides = int(np.rint(0.7 * CROP))
        travel[:] = CROP - sides
    if plan.camera is not None and plan.camera.label == 'relative':
        travel = travel - np.rint(0.15 * CROP)
    layers = layers_of(plan)
    found = []
    for c in labels if labels is not None else range(len(clips)):
        solid = [opacity(x, c, CROP) for x in layers[1:]]
        front = solid[-1]
        seen = measure(clips[c], front > 200)
        behind = np.max(solid, 0) == 0
        behind[:, [0, -1]] = behind[:, :, [0, -1]] = False
        ground = measure(clips[c], behind)
        if plan.camera is not None and plan.camera.label == 'relative':
            seen = seen._replace(shift=seen.shift - ground.shift)
        label = label_seen(
            seen, plan.pool, travel, 2 * np.log(MAX_ZOOM), 2 * MAX_TURN
        )
        way, zoom = np.zeros(2), 0.0
        if plan.camera is not None:
            way = plan.camera.offsets[c, -1] - plan.camera.offsets[c, 0]
            zoom = -np.log(plan.camera.scale[c, -1] / plan.camera.scale[c, 0])
        poorest = [
            min(texture(clips[c][n], mask[n]) for n in (0, 5, 10, 15))
            for mask in (front > 200, behind)
        ]
        found.append((label, ground, way, zoom, poorest))
    return found


def check(seeds, image, labels_each=None):
    """Measure combinations.

    Returns:
        The true labels, those seen, what was wrong, and the shares of
        foregrounds and of backgrounds left out: a patch without texture
        shows nothing to anyone. That is decided from the pixels alone.
    """
    told, seen, wrong, plain, number = [], [], [], np.zeros(2), 0
    for seed in seeds:
        plan = draw_combination(seed)
        picked = range(len(plan.pool))
        if labels_each:
            rng = np.random.default_rng(seed)
            picked = rng.permutation(len(plan.pool))[:labels_each].tolist()
        results = measured(plan, image(seed), image(seed + 1000), picked)
        for c, (label, ground, way, zoom, poorest) in zip(picked, results):
            is_plain = np.array(poorest) < TEXTURE
            plain += is_plain
            number += 1
            if is_plain[0]:
                continue
            told.append(plan.labels[c])
            seen.append(label)
            if label != plan.labels[c]:
                wrong.append(
                    (seed, c, plan.pool.names[c], plan.pool.names[label])
                )
            if is_plain[1]:
                continue
            moved = ground.shift.sum(0)
            if zoom == 0 and abs(moved - way).max() > 1.5:
                wrong.append((seed, c, 'background', moved, way))
            if zoom and abs(ground.zoom.sum() - zoom) > 0.05:
                wrong.append((seed, c, 'bg zoom', ground.zoom.sum(), zoom))
    return np.array(told), np.array(seen), wrong, plain / number


def dead_leaves(seed):
    return draw_dead_leaves(SOURCE, np.random.default_rng(seed))


@pytest.fixture(scope='module')
def photographs(shared_data):
    paths = sorted((shared_data / 'images').rglob('*.[jJ][pP]*[gG]'))

    def image(seed):
        # Flat skies show no motion: the one with the most edges of three.
        some = [
            cv2.imread(str(paths[(7 * seed + i) % len(paths)]))
            for i in range(3)
        ]
        best = max(some, key=lambda x: cv2.Laplacian(x, cv2.CV_64F).std())
        return cv2.resize(best, (SOURCE, SOURCE), interpolation=cv2.INTER_AREA)

    return image


def assert_true(told, seen, wrong, left_out, background_wrong=0.06):
    """What was seen is the label; a shuffled list of labels is not."""
    labels = [w for w in wrong if isinstance(w[2], str) and len(w) == 4]
    assert (left_out < 0.15).all()
    assert len(labels) <= 0.06 * len(told), labels
    assert len(wrong) - len(labels) <= background_wrong * len(told), wrong
    shuffled = np.random.default_rng(0).permutation(told)
    assert (shuffled == seen).mean() < 0.35


def test_dead_leaves_show_the_label():
    assert_true(*check(range(40), dead_leaves, 2))


def test_photographs_show_the_label(photographs):
    assert_true(*check(range(40, 80), photographs, 2))


@pytest.mark.long
@pytest.mark.parametrize('kind', ['dead leaves', 'photographs'])
def test_240_combinations_show_their_labels(kind, request):
    image = dead_leaves
    if kind == 'photographs':
        image = request.getfixturevalue('photographs')
    told, seen, wrong, left_out = check(range(COMBINATIONS), image, 4)
    # For the record: pytest shows it with -rP.
    print(f'{kind}: {len(told)} clips judged, {left_out} left out')
    print(f'{(told != seen).sum()} labels seen otherwise; wrong: {wrong}')
    assert_true(told, seen, wrong, left_out)


def test_a_mirrored_clip_is_found_out():
    pool = LabelPool(motions=('shift', 'turn'))
    rng = np.random.default_rng(0)
    plan = draw_motion(pool, SOURCE, CROP, FRAMES, rng)
    plan = draw_static_mask(plan, 0.7, rng=rng, shape='ellipse')
    clips = render(dead_leaves(3), plan)[:, :, :, ::-1]
    front = layers_of(plan)[-1]
    for c, (x, _, _, turn, _, _) in enumerate(pool.table.tolist()):
        mask = opacity(front, c, CROP)[:, :, ::-1] > 200
        label = label_seen(
            measure(clips[c], mask),
            pool,
            np.array([SOURCE - CROP] * 2),
            2 * np.log(MAX_ZOOM),
            2 * MAX_TURN,
        )
        assert (label == c) == (x == 0 and turn == 0), pool.names[c]


@pytest.mark.parametrize('mirrored', [False, True])
def test_the_layers_config_shows_its_labels(mirrored):
    # Whole training pipeline at full size, full colour jitter; its labels
    # have no sign, so they are true of mirrored clips, too.
    cfg = Config.fromfile(config_path('mosi_r2p1d_layers_imagenet'))
    steps = [
        TRANSFORMS.build(dict(s))
        for s in cfg.train_dataloader.dataset.pipeline
        if not s['type'].startswith('LoadSource')
    ]
    told, seen = [], []
    for seed in range(2):
        results = dict(
            img=textured_image((330, 350), seed),
            sample_idx=EpochIndex(seed, 0, 0),
        )
        for step in steps[:-1]:
            results = step(results)
        plan, clips = results['motion'], results['imgs']
        front = layers_of(plan)[-1]
        for c, clip in enumerate(clips):
            mask = opacity(front, c, 112) > 200
            if mirrored:
                clip, mask = clip[:, :, ::-1], mask[:, :, ::-1]
            seen.append(
                label_seen(
                    measure(clip, mask, 30),
                    plan.pool,
                    np.array([208, 208]),
                    2 * np.log(MAX_ZOOM),
                    2 * MAX_TURN,
                )
            )
            told.append(results['label'][c])
    assert np.mean(np.array(seen) == told) >= 0.85, (seen, told)
