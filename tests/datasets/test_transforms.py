"""The pipeline's transforms, and the truth of the labels of every config."""

import copy

import numpy as np
import pytest
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import Compose
from PIL import Image

from helpers.motion_truth import (
    measured_motion,
)
from mosi_mmaction import (
    ClipColorJitter,
    CropSource,
    DrawPseudoMotion,
    DrawStaticMask,
    DriftingCrop,
    LabelPool,
    LoadSourceFrame,
    LoadSourceImage,
    PackMoSIInputs,
    RenderPseudoMotion,
)
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.datasets.transforms.seeding import results_rng


def build(steps):
    return Compose([TRANSFORMS.build(s) for s in copy.deepcopy(steps)])


def test_contrast_pivots_on_the_mean_of_the_clip():
    dark, light = (np.full((4, 4, 3), v, np.uint8) for v in (40, 120))
    jitter = ClipColorJitter(
        brightness=0, contrast=0.5, saturation=0, hue=0, grayscale=0
    )
    for seed in range(5):
        out = jitter(
            dict(imgs=[dark, light], rng=np.random.default_rng(seed))
        )['imgs']
        levels = [int(o[0, 0, 0]) for o in out]
        assert sum(levels) == pytest.approx(160, abs=2)
        c = (levels[1] - levels[0]) / 80
        assert 0.48 <= c <= 1.52


def test_strengths_of_clip_jitter_are_checked():
    with pytest.raises(ValueError, match='hue'):
        ClipColorJitter(hue=0.7)


# ------------------------------------------------------------- CropSource
def crops(image, count=400, **args):
    crop = CropSource(**args)
    return [
        crop(dict(img=image, rng=np.random.default_rng(i)))['img']
        for i in range(count)
    ]


def coordinates(height, width):
    """An image whose pixels say where they were: R is x, G is y."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([x, y, np.full_like(x, 7)], axis=-1)


@pytest.mark.parametrize('height, width', [(16, 40), (40, 16), (16, 16)])
def test_crop_is_a_uniform_square_of_the_short_side(height, width):
    starts, flips = [], 0
    for out in crops(coordinates(height, width), size=16):
        assert out.shape == (16, 16, 3) and out.flags.c_contiguous
        flip = out[0, 0, 0] > out[0, 1, 0]
        flips += flip
        out = out[:, ::-1] if flip else out
        x, y = int(out[0, 0, 0]), int(out[0, 0, 1])
        np.testing.assert_array_equal(
            out, coordinates(height, width)[y : y + 16, x : x + 16]
        )
        starts.append(max(x, y))
    assert 160 < flips < 240
    assert set(starts) == set(range(abs(height - width) + 1))


def test_crop_of_validation_is_the_unflipped_centre():
    outs = crops(
        coordinates(16, 41), 20, size=16, flip_ratio=0.0, random_crop=False
    )
    for out in outs:
        np.testing.assert_array_equal(out, coordinates(16, 41)[:, 12:28])


@pytest.mark.parametrize('side', [10, 63, 200])
def test_crop_resizes_without_a_shift(side):
    image = coordinates(side, side)
    (out,) = crops(image, 1, size=32, flip_ratio=0.0)
    centres = (np.arange(32) + 0.5) * side / 32 - 0.5
    told = np.clip(centres, 0, side - 1)
    slack = max(1, side / 32 / 2 + 0.5)
    assert np.abs(out[5, :, 0] - told).max() <= slack
    assert np.abs(out[:, 5, 1] - told).max() <= slack
    assert (out[..., 2] == 7).all()
    (flipped,) = crops(image, 1, size=32, flip_ratio=1.0)
    np.testing.assert_array_equal(flipped, out[:, ::-1])


@pytest.mark.parametrize(
    'args', [dict(size=0), dict(flip_ratio=1.1), dict(flip_ratio=-0.1)]
)
def test_crop_arguments(args):
    with pytest.raises(ValueError, match=next(iter(args))):
        CropSource(**args)


# ---------------------------------------------------- draw, render, pack
def test_draws_come_from_the_samples_generator():
    steps = build(
        [
            dict(type='DrawPseudoMotion', clip_len=4, crop_size=12),
            dict(type='DrawStaticMask', side_ratio=0.5),
            dict(type='DrawColorJitter', hue=0.0, per_frame=False),
        ]
    )

    def plan(seed):
        np.random.seed(seed + 1)
        return steps(
            dict(
                img=np.zeros((24, 24, 3), np.uint8),
                rng=np.random.default_rng(seed),
            )
        )['motion']

    one = plan(0)
    np.testing.assert_array_equal(plan(0).offsets, one.offsets)
    np.testing.assert_array_equal(plan(0).boxes, one.boxes)
    assert (plan(1).offsets != one.offsets).any()
    assert (one.boxes[:, 2:] - one.boxes[:, :2] == 6).all()
    assert (one.color.hue == 0).all() and one.color.brightness.std() > 0
    assert (one.color.brightness == one.color.brightness[:, :1]).all()
    assert one.pool == LabelPool() and one.shape == (9, 4, 12, 12, 3)


def test_no_generator_no_failure():
    # A stock data set: NumPy's global state decides.
    drawn = []
    for seed in (3, 3, 4):
        np.random.seed(seed)
        results = dict(img=np.zeros((24, 24, 3), np.uint8))
        DrawPseudoMotion(clip_len=4, crop_size=12)(results)
        assert results['rng'] is results_rng(results)
        drawn.append(results['motion'].offsets.tobytes())
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    'make, message',
    [
        (lambda: DrawPseudoMotion(num_speeds=4), 'num_speeds=4'),
        (lambda: DrawPseudoMotion(axes='z'), "axes='z'"),
        (lambda: DrawPseudoMotion(axes='x', decoupled=False), 'decoupled'),
        (lambda: DrawPseudoMotion(clip_len=1), 'clip_len=1'),
        (lambda: DrawPseudoMotion(crop_size=0), 'crop_size=0'),
        (lambda: DrawStaticMask(side_ratio=(0.5, 0.3)), 'side_ratio'),
        (lambda: DrawStaticMask(side_ratio=0), 'side_ratio'),
    ],
)
def test_wrong_arguments_stop_when_built(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    'shape, args, message',
    [
        ((20, 20), dict(crop_size=21), 'CropSource.size'),
        ((20, 21), dict(crop_size=20), '1 pixels to move along x'),
        ((21, 24), dict(crop_size=20), '1 pixels to move along y'),
        ((44, 41), dict(crop_size=20, shake=0.5), '1 pixels to move along x'),
        ((20, 22), dict(crop_size=20, axes='x', num_speeds=7), 'num_speeds=7'),
    ],
)
def test_too_little_room(shape, args, message):
    step = DrawPseudoMotion(clip_len=4, **args)
    with pytest.raises(ValueError, match=message):
        step(dict(img=np.zeros((*shape, 3), np.uint8)))


def test_room_is_only_asked_of_axes_that_move():
    step = DrawPseudoMotion(clip_len=4, crop_size=20, axes='x')
    plan = step(dict(img=np.zeros((20, 24, 3), np.uint8)))['motion']
    assert len(plan.pool) == 5


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


def test_pack_of_rendered_clips():
    results, out, _ = packed(True)
    inputs, sample = out['inputs'], out['data_samples']
    assert inputs.shape == (5, 3, 4, 12, 12) and inputs.dtype == torch.uint8
    assert inputs.data_ptr() == results['imgs'].ctypes.data  # not copied
    assert inputs.is_contiguous(memory_format=torch.channels_last_3d)
    np.testing.assert_array_equal(
        inputs[3, 1, 2], results['imgs'][3, 2, ..., 1]
    )
    assert sample.gt_label.tolist() == [0, 1, 2, 3, 4]
    assert sample.gt_label.dtype == torch.int64
    assert sample.metainfo == dict(
        label_pool=LabelPool(3), img_path='a b.png', sample_idx=6
    )
    assert results['label'].tolist() == [0, 1, 2, 3, 4]


def test_pack_for_rendering_on_the_device():
    results, out, image = packed(False)
    np.testing.assert_array_equal(out['inputs'].permute(1, 2, 0), image)
    sample = out['data_samples']
    np.testing.assert_array_equal(
        sample.motion.offsets, results['motion'].offsets
    )
    assert sample.gt_label.tolist() == [0, 1, 2, 3, 4]


# ---------------------------------------------------------------- loading
def test_image_loader_is_rgb(tmp_path):
    Image.new('RGB', (9, 12), (200, 100, 7)).save(tmp_path / 'a.png')
    out = LoadSourceImage()(dict(img_path=str(tmp_path / 'a.png')))['img']
    assert out.shape == (12, 9, 3) and (out == [200, 100, 7]).all()
    both = LoadSourceFrame()(dict(img_path=str(tmp_path / 'a.png')))
    assert (both['img'] == out).all()


def test_which_frame_is_one_of_two():
    with pytest.raises(ValueError, match="frame='first'.*'middle'"):
        LoadSourceFrame(frame='first')


# A crop that drifts


def test_a_drifting_crop_pans_the_pixels(textured):
    image = textured((90, 120))
    imgs = [image] * 24
    drawn = []
    for seed in range(60):
        results = dict(imgs=imgs, num_clips=3, rng=np.random.default_rng(seed))
        out = DriftingCrop(0.7, 0.3)(results)
        assert out['img_shape'] == (63, 84)
        assert len(out['imgs']) == 24
        clips = np.array(out['imgs']).reshape(3, 8, 63, 84, 3)
        for clip in clips:
            # A square part of it, as the judge of motion is for squares.
            seen = measured_motion(clip[:, :, :63], max_step=6)
            drawn.append(seen)
    drawn = np.array(drawn)
    assert abs(drawn[:, 0]).max() <= 25 and abs(drawn[:, 1]).max() <= 18
    assert abs(drawn).max(0).min() > 10
    still = DriftingCrop(0.7, 0.3, prob=0.0)(
        dict(imgs=imgs, rng=np.random.default_rng(0))
    )
    assert all((f == still['imgs'][0]).all() for f in still['imgs'])
    assert len(imgs) == 24 and imgs[0] is image


@pytest.mark.parametrize(
    'args', [dict(size_ratio=0), dict(max_drift=-1), dict(prob=2)]
)
def test_wrong_drifts(args):
    [(name, value)] = args.items()
    with pytest.raises(ValueError, match=f'DriftingCrop.{name}={value}'):
        DriftingCrop(**args)
