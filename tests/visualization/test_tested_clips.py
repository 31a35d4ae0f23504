"""What tools/test.py --show-dir draws."""

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from PIL import Image

from mosi_mmaction import LabelPool, MoSIDataSample
from mosi_mmaction.visualization.tested_clips import (
    TestedClipsHook,
    _captioned,
)

GREYS = (0, 60, 120, 180)


def clips(number):
    """Make clips whose frames are grey; clip c is 10 levels lighter."""
    levels = torch.tensor(GREYS) + 10 * torch.arange(number)[:, None]
    shape = number, 3, len(GREYS), 8, 8
    return levels[:, None, :, None, None].expand(shape).to(torch.uint8)


def action(label=1):
    sample = ActionDataSample().set_gt_label(label)
    return sample.set_pred_score(torch.tensor([0.1, 0.2, 0.7]))


def test_the_middle_clip_of_a_video(tmp_path):
    ((clip, text),) = _captioned(clips(3), action(), ['a', 'b', 'c'])
    assert text == 'b → c 0.70'
    assert clip.shape == (4, 8, 8, 3)
    assert clip[:, 0, 0, 0].tolist() == [level + 10 for level in GREYS]
    ((_, text),) = _captioned(clips(1), action(), None)
    assert text == '1 → 2 0.70'
    ((_, text),) = _captioned(clips(1), action(-1), None)  # unlabelled
    assert text == '→ 2 0.70'


def test_all_clips_of_the_pretext_task():
    pool = LabelPool(num_speeds=3)
    sample = MoSIDataSample()
    sample.set_gt_label(torch.arange(5))
    sample.set_pred_score(torch.eye(5).roll(1, 1))
    sample.set_field(pool, 'label_pool', field_type='metainfo')
    found = list(_captioned(clips(5), sample, None))
    assert [text for _, text in found] == [
        f'{pool.names[k]} → {pool.names[(k + 1) % 5]} 1.00' for k in range(5)
    ]
    assert [clip[0, 0, 0, 0] for clip, _ in found] == [0, 10, 20, 30, 40]


def test_every_second_sample_is_written_and_moves(tmp_path):
    hook = TestedClipsHook(str(tmp_path / 'new'), interval=2)
    hook.before_test(None)
    for size in (2, 2, 1):  # batches
        batch = dict(inputs=torch.stack([clips(1)] * size))
        hook.after_test_iter(None, 0, batch, [action()] * size)
    files = sorted((tmp_path / 'new').iterdir())
    assert [f.name for f in files] == [f'00000{n}.gif' for n in (0, 2, 4)]
    with Image.open(files[0]) as film:
        assert film.n_frames == len(GREYS)
        for number, grey in enumerate(GREYS):
            film.seek(number)
            pixels = np.asarray(film.convert('L'))
            assert abs(int(pixels[-20, 20]) - grey) <= 2


def test_what_cannot_be_shown_is_told():
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    hook = TestedClipsHook()
    with pytest.raises(ValueError, match=r'instead of clips \(C, 3, N'):
        hook.after_test_iter(None, 0, dict(inputs=images), [action()])
    with pytest.raises(ValueError, match='--interval 0'):
        TestedClipsHook(interval=0)
