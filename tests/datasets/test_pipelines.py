"""The pipelines of all configs: the pixels show the label."""

import copy
from functools import cache

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform, Compose
from mmengine.config import Config

from helpers.motion_truth import (
    measured_label,
    textured_image,
)
from helpers.paths import CONFIGS
from mosi_mmaction import (
    DrawPseudoMotion,
    PackMoSIInputs,
    RenderPseudoMotion,
)
from mosi_mmaction.datasets import EpochIndex

NAMES = sorted(
    p.relative_to(CONFIGS).as_posix()
    for p in CONFIGS.rglob('*.py')
    if '_base_' not in p.parts
)


@cache
def config(name):
    return Config.fromfile(CONFIGS / name).to_dict()


def pipelines(name, kind):
    """Return the training pipelines of a config that hold a transform."""
    found = []

    def look(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if key == 'pipeline' and any(s['type'] == kind for s in value):
                    found.append([dict(s) for s in value])
                look(value)
        elif isinstance(node, (list, tuple)):
            for value in node:
                look(value)

    look(config(name).get('train_dataloader') or {})
    return found


def training_pipelines(kind):
    """Return each different training pipeline once, and who has it."""
    out = {}
    for name in NAMES:
        for steps in pipelines(name, kind):
            out.setdefault(repr(steps), (steps, []))[1].append(name)
    return [pytest.param(steps, id=names[0]) for steps, names in out.values()]


def build(steps):
    return Compose([TRANSFORMS.build(s) for s in copy.deepcopy(steps)])


def without_loading(steps):
    """Leave out what reads files; the image is put there by the test."""
    return [s for s in steps if not s['type'].startswith('LoadSource')]


def before(steps, kind):
    at = next(i for i, s in enumerate(steps) if s['type'] == kind)
    return steps[:at]


# ---------------------------------------------------------- label truth
def seen_and_told(steps, epochs, spoil=None):
    """Run whole training pipelines; measure what the packed clips show.

    ``spoil`` is a transform to put behind the rendering. The draws up to
    there stay what they are, so the boxes of the plan are known.
    """
    source = next(s for s in steps if s['type'] == 'CropSource')['size']
    steps = without_loading(steps)
    rendered = any(s['type'] == 'RenderPseudoMotion' for s in steps)
    if not rendered:  # packed for the device: render the packed plan
        steps = [*steps[:-1], dict(type='RenderPseudoMotion'), steps[-1]]
    whole = build(steps)
    upto = build(before(steps, 'PackMoSIInputs'))
    seen, told = [], []
    for epoch in epochs:
        start = dict(
            img=textured_image((source + 20, source + 31), epoch),
            sample_idx=EpochIndex(0, 0, epoch),
        )
        plan = upto(copy.deepcopy(start))['motion']
        if spoil is None:
            packed = whole(copy.deepcopy(start))
        else:
            results = spoil(upto(copy.deepcopy(start)))
            packed = build(steps[-1:])(results)
        clips = packed['inputs'].permute(0, 2, 3, 4, 1).numpy()
        labels = packed['data_samples'].gt_label.tolist()
        assert packed['data_samples'].label_pool == plan.pool
        assert len(clips) == len(labels) == len(plan.pool)
        for c, clip in enumerate(clips):
            box = None if plan.boxes is None else plan.boxes[c].tolist()
            if box is not None and spoil is not None:
                box = spoil.box(*box, side=clip.shape[2])
            seen.append(measured_label(clip, plan.pool, source, box))
            told.append(labels[c])
    return seen, told


class FlipAfterRendering(BaseTransform):
    """The defect of the release: mirror a finished clip, keep its label.

    A pool that does not move along x is mirrored upside down.
    """

    def __init__(self, pool):
        self.axis = 0 if 'x' in pool.axes else 1

    def transform(self, results):
        results['imgs'] = np.flip(results['imgs'], 3 - self.axis).copy()
        return results

    def box(self, x1, y1, x2, y2, side):
        if self.axis:
            return [x1, side - y2, x2, side - y1]
        return [side - x2, y1, side - x1, y2]


def images_for(steps):
    """Fewer images of large clips: 9 x 16 x 112² takes a second."""
    motion = next(s for s in steps if s['type'] == 'DrawPseudoMotion')
    return range(6 if motion.get('crop_size', 112) <= 48 else 1)


MOTION_PIPELINES = training_pipelines('DrawPseudoMotion')
#: Those of the paper; test_layers_truth.py has a judge for layers.
PLAIN_PIPELINES = [
    p for p in MOTION_PIPELINES if "'motions'" not in repr(p.values)
]


def test_every_pretraining_config_is_looked_at():
    assert MOTION_PIPELINES
    for name in NAMES:
        pretext = "'MoSIHead'" in repr(config(name).get('model'))
        assert bool(pipelines(name, 'DrawPseudoMotion')) == pretext, name


@pytest.mark.parametrize('steps', PLAIN_PIPELINES)
def test_pixels_of_every_config_show_the_label(steps):
    seen, told = seen_and_told(steps, images_for(steps))
    assert seen == told


@pytest.mark.parametrize('steps', PLAIN_PIPELINES)
def test_a_flip_behind_the_rendering_is_found_out(steps):
    # The mutation: the test above must fail where clips are mirrored.
    pool = TRANSFORMS.build(
        next(s for s in steps if s['type'] == 'DrawPseudoMotion')
    ).pool
    flip = FlipAfterRendering(pool)
    seen, told = seen_and_told(steps, images_for(steps), flip)
    wrong = {t for s, t in zip(seen, told) if s != t}
    assert seen != told
    assert wrong == set(np.flatnonzero(pool.speeds[:, flip.axis]).tolist())


@pytest.mark.parametrize('steps', MOTION_PIPELINES)
def test_no_transform_behind_the_rendering_touches_pixels(steps):
    names = [s['type'] for s in steps]
    assert names[0] == 'SeedSample'
    if 'RenderPseudoMotion' in names:
        assert names[names.index('RenderPseudoMotion') + 1 :] == [
            'PackMoSIInputs'
        ]
    else:
        assert names[-1] == 'PackMoSIInputs'


@pytest.mark.parametrize('steps', MOTION_PIPELINES)
def test_labels_are_all_in_a_sample_and_samples_differ(steps):
    pipeline = build(without_loading(steps))
    image = textured_image(330, 0)

    def sample(index):
        packed = pipeline(dict(img=image.copy(), sample_idx=index))
        return packed['inputs'].numpy().tobytes()

    first = sample(EpochIndex(0, 0, 0))
    assert sample(EpochIndex(0, 0, 0)) == first
    assert sample(EpochIndex(0, 0, 1)) != first
    assert sample(EpochIndex(0, 1, 0)) != first


@pytest.mark.parametrize(
    'name', [n for n in NAMES if pipelines(n, 'DrawPseudoMotion')]
)
def test_validation_draws_nothing_of_the_source(name):
    cfg = config(name)
    for loader in ('val_dataloader', 'test_dataloader'):
        dataset = cfg[loader]['dataset']
        assert dataset['test_mode'] is True
        assert cfg[loader]['sampler']['shuffle'] is False
        kinds = {s['type']: s for s in dataset['pipeline']}
        if 'LoadSourceFrame' in kinds:
            assert kinds['LoadSourceFrame']['frame'] == 'middle'
            assert kinds['CropSource']['random_crop'] is False
            assert kinds['CropSource']['flip_ratio'] == 0


# --------------------------------------------------------- fine-tuning
@pytest.mark.parametrize('steps', training_pipelines('ClipColorJitter'))
def test_fine_tuning_jitters_all_frames_of_a_clip_alike(steps):
    jitter = [s for s in steps if s['type'] == 'ClipColorJitter']
    assert len(jitter) == 1
    fixed = [s['type'] for s in steps]
    assert fixed.index('ClipColorJitter') > fixed.index('Flip')
    frame = textured_image(40)
    other = textured_image(40, 1)
    maps = []
    for epoch in range(5):
        out = build(jitter)(
            dict(
                imgs=[frame, other, frame.copy(), frame[::-1]],
                sample_idx=EpochIndex(0, 0, epoch),
            )
        )['imgs']
        assert all(o.dtype == np.uint8 and o.shape == (40, 40, 3) for o in out)
        # Equal pixels stay equal whichever frame they are in.
        np.testing.assert_array_equal(out[0], out[2])
        np.testing.assert_array_equal(out[0][::-1], out[3])
        # One affine map, found on one frame, explains another frame.
        matrix, fit = affine(frame, out[0])
        assert fit < 1
        assert np.abs(mapped(matrix, other) - out[1]).max() <= 2
        maps.append(matrix.round(2).tobytes())
    assert len(set(maps)) == 5


def affine(image, changed):
    """Fit one affine map of RGB to the pixels that were not clipped."""
    keep = ((changed > 0) & (changed < 255)).all(2)
    x = np.concatenate([image[keep], np.ones((keep.sum(), 1))], axis=1)
    matrix, *_ = np.linalg.lstsq(x, changed[keep].astype(float), rcond=None)
    return matrix, np.abs(x @ matrix - changed[keep]).max()


def mapped(matrix, image):
    x = np.concatenate([image, np.ones((*image.shape[:2], 1))], axis=2)
    return np.clip(np.rint(x @ matrix), 0, 255)


def packed(rendered):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    results = dict(
        img=image, img_path='a b.png', rng=rng, sample_idx=EpochIndex(6, 0, 0)
    )
    steps = [DrawPseudoMotion(clip_len=4, crop_size=12, num_speeds=3)]
    if rendered:
        steps.append(RenderPseudoMotion())
    results = Compose(steps)(results)
    return results, PackMoSIInputs()(dict(results)), image
