"""The published recipe: the clips of pretraining and their colours."""

import numpy as np
import pytest
from mmaction.registry import (
    TRANSFORMS,
)
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from helpers.recipes import PRETRAINING, load, pipeline, step_of
from mosi_mmaction.datasets import EpochIndex

every_pretraining = pytest.mark.parametrize('name', PRETRAINING)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmaction')


# ------------------------------------------------------------- pretraining
def drawn_plans(name, count, part='train'):
    """Plans of a config's own steps, from the source image on."""
    steps = [
        s
        for s in pipeline(name, part)
        if s['type'].startswith(('Crop', 'Draw'))
    ]
    run = Compose([TRANSFORMS.build(dict(s)) for s in steps])
    image = np.zeros((320, 400, 3), np.uint8)
    image[:, :, 0] = np.arange(400) // 2
    return [
        run(dict(img=image, sample_idx=EpochIndex(i, 0, 0)))
        for i in range(count)
    ]


@every_pretraining
def test_clips_of_pretraining(name):
    for part in ('train', 'val'):
        results = drawn_plans(name, 40, part)
        for result in results:
            plan = result['motion']
            assert plan.shape == (9, 16, 112, 112, 3)
            assert plan.source_size == (320, 320)
            assert plan.pool.speeds.tolist() == [
                *([v, 0] for v in (-2, -1, 1, 2)),
                *([0, v] for v in (-2, -1, 1, 2)),
                [0, 0],
            ]
            moved = plan.offsets[:, -1] - plan.offsets[:, 0]
            assert moved.tolist() == (104 * plan.pool.speeds).tolist()
            side = plan.boxes[:, 2] - plan.boxes[:, 0]
            assert side.min() >= 33 and side.max() <= 56  # 0.3, 0.5 of 112
            assert (plan.color is not None) == (part == 'train')
        if part == 'val':
            assert len({r['img'].tobytes() for r in results}) == 1
    assert step_of(name, 'LoadSourceFrame')['short_side'] == 320
    assert step_of(name, 'LoadSourceFrame').get('frame') in (None, 'random')
    assert step_of(name, 'LoadSourceFrame', 'val')['frame'] == 'middle'


@every_pretraining
def test_colours_of_pretraining(name):
    # 225 images of nine clips: 2025 draws.
    colors = [r['motion'].color for r in drawn_plans(name, 225)]
    gray = np.concatenate([c.grayscale for c in colors])  # (2025, 16)
    assert (gray == gray[:, :1]).all()
    assert abs(gray[:, 0].mean() - 0.3) < 0.03
    for key, low, high in (
        ('brightness', 0.5, 1.5),
        ('contrast', 0.5, 1.5),
        ('saturation', 0.5, 1.5),
        ('hue', -0.25, 0.25),
    ):
        values = np.concatenate([getattr(c, key) for c in colors])
        assert values.min() == pytest.approx(low, abs=0.01)
        assert values.max() == pytest.approx(high, abs=0.01)
        assert len(np.unique(values)) == values.size  # each frame its own


def test_grey_clips_as_rendered():
    # All frames of a clip are grey, or none is.
    steps = [
        s
        for s in pipeline('mosi_r2p1d_hmdb')
        if s['type'].startswith(('Crop', 'Draw', 'Render'))
        and s['type'] != 'DrawStaticMask'
    ]
    run = Compose([TRANSFORMS.build(dict(s)) for s in steps])
    image = np.random.default_rng(0).integers(
        0, 256, (320, 320, 3), dtype=np.uint8
    )
    count = 0
    for i in range(12):
        clips = run(dict(img=image, sample_idx=EpochIndex(i, 0, 0)))['imgs']
        spread = np.ptp(clips.astype(int), axis=-1).max(axis=(2, 3))
        gray = spread <= 2  # (9, 16); a grey pixel is rounded three times
        assert (gray == gray[:, :1]).all()
        count += gray[:, 0].sum()
    assert 12 <= count <= 55  # of 108


@every_pretraining
def test_held_out_frames_are_of_the_test_videos(name):
    data = name.rsplit('_', 1)[1]
    dataset = load(name).val_dataloader.dataset
    told = dict(
        hmdb='hmdb51_val_split_1_videos.txt',
        ucf='ucf101_val_split_1_videos.txt',
        k400='kinetics400_val_list_videos.txt',
    )
    assert dataset.get('ann_file') == told.get(data)
    assert dataset.test_mode
