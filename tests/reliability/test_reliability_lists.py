"""Lists with bad videos and bad lines."""

import os

import cv2
import numpy as np
import pytest
import torch

from helpers.motion_truth import textured_image
from helpers.odd_files import LOAD, frame_number, write_video
from mosi_mmaction import (
    ActionVideoDataset,
    SourceImageDataset,
)
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.media.errors import BadSourceError


@pytest.fixture
def good(tmp_path):
    """Three good images; a quarter of the list is bad at most."""
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f'good_{i}.png'))
        cv2.imwrite(paths[-1], textured_image(80, i))
    return paths


# ------------------------------------------------------- fine-tuning's data
@pytest.fixture
def actions(tmp_path):
    """Function that writes a list and returns a data set of eight videos."""
    for i in range(8):
        write_video(tmp_path / f'clip {i}.avi', 6 + i)
    (tmp_path / 'clip 2.avi').write_bytes(b'no video')

    def make(lines=None, **kwargs):
        lines = lines or [f'clip {i}.avi {i}' for i in range(8)]
        (tmp_path / 'list.txt').write_text('\n'.join(lines) + '\n')
        kwargs.setdefault('max_bad_fraction', 0.3)
        return ActionVideoDataset(
            str(tmp_path / 'list.txt'),
            [
                dict(type='SeedSample'),
                dict(type='VideoInit'),
                dict(
                    type='SampleFrames',
                    clip_len=4,
                    frame_interval=1,
                    num_clips=1,
                ),
                dict(type='VideoDecode'),
            ],
            data_prefix=dict(video=str(tmp_path)),
            **kwargs,
        )

    return make


def test_bad_video_is_replaced_with_its_label(actions):
    data = actions()
    met = set()
    for epoch in range(12):
        sample = data[EpochIndex(2, 0, epoch)]
        # A video of label i has 6 + i frames.
        assert sample['total_frames'] == 6 + sample['label'] != 8
        assert [frame_number(img) for img in sample['imgs']] == sample[
            'frame_inds'
        ].tolist()
        met.add(sample['label'])
    assert len(met) > 2
    again = actions()
    for epoch in range(3):
        one, other = [d[EpochIndex(2, 0, epoch)] for d in (data, again)]
        assert one['label'] == other['label']
        assert np.array_equal(one['frame_inds'], other['frame_inds'])


@pytest.mark.parametrize(
    'args', [dict(bad_files='raise'), dict(test_mode=True)]
)
def test_bad_video_raises(actions, args):
    data = actions(**args)
    assert data[1]['label'] == 1
    with pytest.raises(BadSourceError, match=r'clip 2\.avi: '):
        data[2]


def test_too_many_bad_videos_stop_with_their_list(actions):
    with pytest.raises(
        BadSourceError,
        match=r'1 of 8 files.*=0\.1 '
        r'allows(?s:.*)clip 2\.avi',
    ):
        actions(max_bad_fraction=0.1)[2]


def test_frame_of_a_video_before_it_failed_changes_no_sample(actions):
    # What one run has found bad must not show in the samples of another.
    data, fresh = actions(), actions()
    for epoch in range(4):
        data[EpochIndex(2, 0, epoch)]
    assert (
        data[EpochIndex(2, 0, 9)]['label']
        == fresh[EpochIndex(2, 0, 9)]['label']
    )


@pytest.mark.parametrize(
    'lines, message',
    [
        (['clip 0.avi 0', 'clip 1.avi'], 'line 2.*does not end in a label'),
        (['clip 0.avi 0', '', 'clip 1.avi -3'], 'line 3: label -3'),
        (['clip 0.avi x'], 'line 1.*does not end in a label'),
        ([' '], 'lists no video'),
    ],
)
def test_unreadable_line_is_named(actions, lines, message):
    with pytest.raises(ValueError, match=message):
        actions(lines)


def test_lines_of_every_kind(actions, tmp_path):
    data = actions(['clip 1.avi 4', 'a,b #c  7\t', '# 3 12'])
    assert [data.get_data_info(i)['label'] for i in range(3)] == [4, 7, 12]
    assert [os.path.relpath(data.path_of(i), tmp_path) for i in range(3)] == [
        'clip 1.avi',
        'a,b #c',
        '# 3',
    ]
    several = actions(
        ['clip 1.avi 4 0', 'clip 2.avi 3'], multi_class=True, num_classes=5
    )
    assert several.get_data_info(0)['label'].tolist() == [1, 0, 0, 0, 1]
    assert several.get_data_info(1)['label'].tolist() == [0, 0, 0, 1, 0]
    assert [several.get_cat_ids(i) for i in range(2)] == [[0, 4], [3]]
    assert os.path.basename(several.path_of(0)) == 'clip 1.avi'
    unknown = actions(
        ['clip 1.avi'], test_mode=True, multi_class=True, num_classes=2
    )
    assert unknown.get_cat_ids(0) == [] and unknown.top_label == -1
    with pytest.raises(ValueError, match='line 1: label 5.*0 to 4'):
        actions(['clip 1.avi 5'], num_classes=5)
    assert (
        actions(['clip 1.avi'], test_mode=True).get_data_info(0)['label'] == -1
    )
    comma = actions(['clip 1.avi,4'], delimiter=',')
    assert comma.get_data_info(0)['label'] == 4
    assert os.path.basename(comma.path_of(0)) == 'clip 1.avi'


def test_workers_share_what_is_bad(tmp_path, good):
    # Four workers, many visits: logged once, and the samples are those of
    # one process.
    (tmp_path / 'bad.png').write_bytes(b'x')
    ann = tmp_path / 'list.txt'
    ann.write_text('\n'.join([str(tmp_path / 'bad.png'), *good]))
    args = dict(
        ann_file=str(ann),
        pipeline=[
            *LOAD,
            lambda r: dict(img=r['img'].sum(), path=r['img_path']),
        ],
    )
    data = SourceImageDataset(str(tmp_path), max_bad_fraction=0.5, **args)
    visits = [EpochIndex(0, 0, epoch) for epoch in range(20)]
    loader = torch.utils.data.DataLoader(
        data,
        sampler=visits,
        num_workers=4,
        batch_size=None,
        collate_fn=lambda x: x,
        multiprocessing_context='fork',
    )
    assert not data._bad_files._flags[0]
    seen = list(loader)
    assert data._bad_files._flags.tolist() == [True, False, False, False]
    fresh = SourceImageDataset(str(tmp_path), max_bad_fraction=0.5, **args)
    assert seen == [fresh[visit] for visit in visits]
    assert {s['path'] for s in seen} == set(good)
