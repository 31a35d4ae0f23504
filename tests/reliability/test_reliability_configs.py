"""A wrong setting stops at once, with its key, its value, what is allowed."""

import numpy as np
import pytest
import torch

from mosi_mmaction import (
    ClipColorJitter,
    CropSource,
    DeadLeavesDataset,
    DrawColorJitter,
    DrawPseudoMotion,
    DrawStaticMask,
    LabelPool,
    MoSIHead,
    PackMoSIInputs,
    SourceImageDataset,
    draw_motion,
)


@pytest.mark.parametrize(
    'wrong, key, value, allowed',
    [
        (lambda: DrawPseudoMotion(num_speeds=4), 'num_speeds', '4', 'odd'),
        (
            lambda: MoSIHead(in_channels=8, num_speeds=4),
            'num_speeds',
            '4',
            'odd',
        ),
        (lambda: DrawStaticMask(side_ratio=0), 'side_ratio', '0', r'\(0, 1\]'),
        (
            lambda: DrawStaticMask(side_ratio=1.5),
            'side_ratio',
            '1.5',
            r'\(0, 1\]',
        ),
        (
            lambda: DrawStaticMask(side_ratio=(0, 0.5)),
            'side_ratio',
            r'\(0, 0.5',
            r'\(0, 1\]',
        ),
        (lambda: DrawPseudoMotion(clip_len=1), 'clip_len', '1', 'at least 2'),
        (
            lambda: DeadLeavesDataset(num_images=0),
            'num_images',
            '0',
            'at least 1',
        ),
        (
            lambda: DrawPseudoMotion(axes='z'),
            'axes',
            "'z'",
            "'x', 'y' and 'xy'",
        ),
        (
            lambda: MoSIHead(in_channels=8, axes='z'),
            'axes',
            "'z'",
            "'x', 'y' and 'xy'",
        ),
        (
            lambda: DrawColorJitter(brightness=-0.1),
            'brightness',
            '-0.1',
            'at least 0',
        ),
        (lambda: ClipColorJitter(hue=-0.1), 'hue', '-0.1', r'\[0, 0.5\]'),
        (lambda: CropSource(size=0), 'size', '0', 'at least 1'),
    ],
)
def test_wrong_value(wrong, key, value, allowed):
    with pytest.raises(ValueError, match=f'{key}={value}.*{allowed}'):
        wrong()


def test_crop_larger_than_the_source(rng):
    draw = DrawPseudoMotion(crop_size=112)
    with pytest.raises(ValueError, match='crop_size=112 .*64x64.*CropSource'):
        draw({'img': np.zeros((64, 64, 3), np.uint8), 'rng': rng})


def test_no_image_at_all(tmp_path):
    with pytest.raises(ValueError, match=f'no source in {str(tmp_path)!r}'):
        SourceImageDataset(str(tmp_path))
    with pytest.raises(FileNotFoundError, match='data_root.*nowhere'):
        SourceImageDataset(str(tmp_path / 'nowhere'))
    with pytest.raises(FileNotFoundError, match='ann_file.*nothing.txt'):
        SourceImageDataset(str(tmp_path), 'nothing.txt')


@pytest.mark.parametrize('line', [b'\xff\xfe', b'a\0b.png'])
def test_unreadable_line_of_a_list(tmp_path, line):
    path = tmp_path / 'list.txt'
    path.write_bytes(b'a.png\n\nb.png 3\n' + line + b'\n')
    with pytest.raises(ValueError, match=f'{path}, line 4: '):
        SourceImageDataset(str(tmp_path), 'list.txt')


def test_head_and_label_pool_that_disagree(rng):
    plan = draw_motion(
        LabelPool(num_speeds=5),
        source_size=64,
        crop_size=32,
        clip_len=4,
        rng=rng,
    )
    sample = PackMoSIInputs()(
        dict(
            imgs=np.zeros((9, 4, 32, 32, 3), np.uint8),
            label=plan.labels,
            motion=plan,
        )
    )['data_samples']
    # Nine speeds of one axis make nine labels, too.
    for pool in (dict(num_speeds=3), dict(num_speeds=9, axes='x')):
        head = MoSIHead(in_channels=8, **pool)
        with pytest.raises(
            ValueError,
            match='num_speeds=5.*num_speeds='
            f'{pool["num_speeds"]}.*DrawPseudoMotion',
        ):
            head.loss(torch.zeros(9, 8, 1, 2, 2), [sample])
    right = MoSIHead(in_channels=8).loss(torch.zeros(9, 8, 1, 2, 2), [sample])
    assert right
