"""The published recipe: which frames, and how much of them."""

import math

import numpy as np
import pytest
from mmaction.registry import (
    TRANSFORMS,
)
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from helpers.recipes import (
    FINETUNING,
    load,
    pipeline,
    step_of,
)
from mosi_mmaction import config_path, set_three_crops
from mosi_mmaction.datasets import EpochIndex

every_finetuning = pytest.mark.parametrize('name', FINETUNING)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmaction')


# ------------------------------------------------------------- fine-tuning
def cropped(name, part, height, width):
    """Return the part of a frame that is seen, (x1, y1, x2, y2), and clips.

    The frame's colours tell where its pixels were.
    """
    steps = [
        s
        for s in pipeline(name, part)
        if s['type']
        in ('SeedSample', 'RandomResizedCrop', 'Resize', 'CenterCrop', 'Flip')
    ]
    run = Compose([TRANSFORMS.build(dict(s)) for s in steps])
    y, x = np.mgrid[:height, :width]
    frame = np.stack([x / width, y / height, 0 * x], -1)

    def seen(index):
        out = run(
            dict(
                imgs=[(frame * 255).astype(np.float32)] * 2,
                img_shape=(height, width),
                modality='RGB',
                sample_idx=EpochIndex(index, 0, 0),
            )
        )['imgs']
        assert [img.shape for img in out] == [(112, 112, 3)] * 2
        inside = out[0] / 255
        columns, rows = inside[56, :, 0], inside[:, 56, 1]
        # From pixel centres to the edges of what was seen.
        w = (columns[-2] - columns[1]) * 112 / 109
        h = (rows[-2] - rows[1]) * 112 / 109
        return abs(w), h, w < 0, columns[55:57].mean(), rows[55:57].mean()

    return seen


@every_finetuning
def test_share_of_a_frame_in_training(name):
    seen = cropped(name, 'train', 240, 320)
    crops = np.array([seen(i) for i in range(400)])
    share = crops[:, 0] * crops[:, 1]
    aspect = crops[:, 0] * 320 / (crops[:, 1] * 240)
    assert 168**2 / (256 * 340) == pytest.approx(0.324, abs=5e-4)
    assert 224**2 / (256 * 340) == pytest.approx(0.576, abs=5e-4)
    assert 0.318 < share.min() < 0.335 and 0.565 < share.max() < 0.582
    assert share.mean() == pytest.approx(0.45, abs=0.015)
    assert 0.845 < aspect.min() < 0.88 and 1.14 < aspect.max() < 1.18
    assert crops[:, 2].mean() == pytest.approx(0.5, abs=0.1)  # flipped


@pytest.mark.parametrize('part', ['val', 'test'])
@pytest.mark.parametrize(
    'height, width', [(240, 320), (320, 240), (240, 427), (256, 340)]
)
@every_finetuning
def test_share_of_a_frame_at_test(name, height, width, part):
    w, h, flipped, x, y = cropped(name, part, height, width)(0)
    short = min(height, width)
    assert w * width == pytest.approx(224 / 256 * short, abs=1.5)
    assert h * height == pytest.approx(224 / 256 * short, abs=1.5)
    assert not flipped
    assert abs(x - 0.5) * width < 1.5 and abs(y - 0.5) * height < 1.5
    if (height, width) == (240, 320):
        assert w * h == pytest.approx(0.574, abs=0.006)  # 210² of 240 x 320


def test_three_crops_follow():
    cfg = load('finetune_r2p1d_hmdb_3crop')
    steps = [
        s
        for s in cfg.test_dataloader.dataset.pipeline
        if s['type'] in ('Resize', 'ThreeCrop', 'CenterCrop')
    ]
    assert [s['type'] for s in steps] == ['Resize', 'ThreeCrop', 'CenterCrop']
    run = Compose([TRANSFORMS.build(dict(s)) for s in steps])
    x = np.tile(np.arange(320, dtype=np.float32)[:, None], (240, 1, 3))
    out = run(dict(imgs=[x], img_shape=(240, 320), modality='RGB'))['imgs']
    assert [img.shape for img in out] == [(112, 112, 3)] * 3
    # A seventh-eighth of each square: at the left, at the right, between.
    edges = [(img[50, 0, 0], img[50, -1, 0]) for img in out]
    told = [(16, 224), (96, 304), (56, 264)]
    np.testing.assert_allclose(edges, told, atol=2.5)
    fresh = Config.fromfile(config_path('finetune_r2p1d_hmdb'))
    set_three_crops(fresh)
    assert (
        fresh.test_dataloader.dataset.pipeline
        == cfg.test_dataloader.dataset.pipeline
    )


# 16 frames, every 4th at 30 a second.
SHORT = [0, 4, 8, 12, 16, 21, 25, 29, 33, 37, *[39] * 6]  # of 40 at 30


def frames_of(name, part, total, fps, index=0):
    step = TRANSFORMS.build(dict(step_of(name, 'SampleFramesAtRate', part)))
    sample = dict(total_frames=total, avg_fps=fps, start_index=0)
    sample['sample_idx'] = EpochIndex(index, 0, 0)
    out = step(sample)
    return out['frame_inds'].reshape(out['num_clips'], out['clip_len'])


def told_frames(start, total, fps):
    """The rule, in whole numbers: positions are in 15ths of 1/30 frames."""
    length = 64 * fps  # times 30
    places = [
        (30 * 15 * start + k * (length - 30)) // (30 * 15) for k in range(16)
    ]
    return [int(min(p, total - 1)) for p in places]


def test_the_rule_written_out():
    assert told_frames(0, 40, 30) == SHORT
    assert told_frames(0, 300, 30)[:6] == [0, 4, 8, 12, 16, 21]
    assert told_frames(0, 300, 30)[-1] == 63
    # 64 * 25 / 30 frames: 53.33, so 52.33 / 15 = 3.49 apart.
    assert told_frames(0, 75, 25) == [
        math.floor(k * (64 * 25 / 30 - 1) / 15) for k in range(16)
    ]


@pytest.mark.parametrize('total, fps', [(40, 30), (75, 25), (300, 30)])
@every_finetuning
def test_frames_of_a_clip(name, total, fps):
    room = max(total - 64 * fps / 30, 0)
    starts = set()
    for index in range(60):
        (frames,) = frames_of(name, 'train', total, fps, index)
        first = frames[0]
        assert first <= room
        starts.add(int(first))
        # Some start within the first frame leads to all the others.
        assert frames.tolist() in [
            told_frames(first + k / 1000, total, fps) for k in range(1000)
        ]
    if room:
        assert min(starts) < 0.1 * room and max(starts) > 0.9 * room - 1
    else:
        assert starts == {0}
    (middle,) = frames_of(name, 'val', total, fps)
    assert middle.tolist() == told_frames(room / 2, total, fps)
    clips = frames_of(name, 'test', total, fps)
    assert len(clips) == 10
    for i, clip in enumerate(clips):
        # In whole numbers as far as it goes: room is a third at 25 fps.
        start = round(room * 3) * i / 30
        assert clip.tolist() == told_frames(start + 1e-9, total, fps), i
    if total == 40:
        assert clips.tolist() == [SHORT] * 10
    if total == 300:
        assert clips[:, 0].tolist() == [
            0, 23, 47, 70, 94, 118, 141, 165, 188, 212,
        ]  # fmt: skip
        assert clips[-1, -1] == 275  # 236 * 9 / 10 + 63


@every_finetuning
def test_colours_of_fine_tuning(name):
    jitter = TRANSFORMS.build(dict(step_of(name, 'ClipColorJitter'))).jitter
    drawn = jitter.draw((2000, 16), np.random.default_rng(0))
    for key in ('brightness', 'contrast', 'saturation', 'hue', 'grayscale'):
        values = getattr(drawn, key)
        assert (values == values[:, :1]).all()
    assert abs(drawn.grayscale[:, 0].mean() - 0.3) < 0.03
    for key, half in (('brightness', 0.5), ('contrast', 0.5), ('hue', 0.25)):
        assert np.ptp(getattr(drawn, key)) == pytest.approx(2 * half, abs=0.01)
    assert not step_of(name, 'ClipColorJitter', 'test')
