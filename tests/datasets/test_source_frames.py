"""Frames of videos and of folders as source images."""

import pytest

from helpers.sources import (
    LOAD,
    STEP,
    at,
    level,
    write_frames,
    write_image,
    write_video,
)
from mosi_mmaction import (
    SourceImageDataset,
)
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.paths import (
    scan_tree,
)


def frame(sample):
    """Return which frame of a test video the pixels show."""
    return round((level(sample) - 10) / STEP)


# ------------------------------------------------------------------ videos
@pytest.fixture
def videos(tmp_path):
    names = ['a b/x.AVI', 'a b/y.avi', 'ж.avi']
    for name in names:
        write_video(tmp_path / name, 10)
    return tmp_path


@pytest.mark.parametrize('kind', ['tree', 'list', 'frames', 'frames list'])
def test_another_frame_in_every_epoch(videos, kind):
    root, args = videos, {}
    if kind.startswith('frames'):
        root = videos / 'frames'
        for name in ('a b', 'c', 'd'):
            write_frames(root / name, 10)
        args = dict(frame_dirs=True)
        lines = ['a b 10 0', 'c 10 1', 'd 10 1']
    else:
        lines = ['a b/x.AVI 0', 'a b/y.avi 1', 'ж.avi 2']
    if kind.endswith('list'):
        (root / 'l.txt').write_text('\n'.join(lines))
        args['ann_file'] = 'l.txt'
    data = SourceImageDataset(str(root), pipeline=LOAD, **args)
    assert len(data) == 3
    key = 'frame_dir' if kind.startswith('frames') else 'filename'
    shown = {}
    for epoch in range(40):
        for i in range(3):
            sample = data[at(i, epoch)]
            assert sample[key].endswith(data.paths[i])
            assert 'img_path' not in sample
            assert frame(sample) == sample['frame_index']
            shown[epoch, i] = frame(sample)
    assert {frame(data[at(1, e)]) for e in range(40)} == {
        shown[e, 1] for e in range(40)
    }
    assert all(
        frame(data[at(i, e)]) == shown[e, i] for i in range(3) for e in (7, 3)
    )
    for i in range(3):
        per_epoch = [shown[e, i] for e in range(40)]
        assert set(per_epoch) == set(range(10))  # misses one: p < 0.15 %
        assert per_epoch != [shown[e, (i + 1) % 3] for e in range(40)]
    assert [frame(data[at(0, e, seed=1)]) for e in range(40)] != [
        shown[e, 0] for e in range(40)
    ]


def test_middle_frame_for_validation(videos):
    write_frames(videos / 'frames/k', 7)
    middle = [dict(type='LoadSourceFrame', frame='middle')]
    data = SourceImageDataset(
        str(videos / 'a b'), pipeline=middle, test_mode=True
    )
    assert [frame(data[i]) for i in range(2)] == [5, 5]
    folders = SourceImageDataset(
        str(videos / 'frames'), pipeline=middle, frame_dirs=True
    )
    assert frame(folders[0]) == 3


def test_images_and_videos_mixed(videos):
    write_image(videos / 'still.png', 222)
    data = SourceImageDataset(str(videos), pipeline=LOAD)
    samples = {data.paths[i]: data[at(i)] for i in range(4)}
    assert level(samples['still.png']) == 222
    assert frame(samples['ж.avi']) in range(10)


def test_a_video_for_the_image_loader_is_the_configs_mistake(videos):
    data = SourceImageDataset(
        str(videos),
        pipeline=[dict(type='LoadSourceImage')],
        max_bad_fraction=1,
    )
    with pytest.raises(ValueError, match='LoadSourceFrame') as error:
        data[0]
    assert not isinstance(error.value, BadSourceError)


def test_missing_or_empty_folder_of_frames_is_a_bad_source(tmp_path):
    for i in range(20):
        write_frames(tmp_path / str(i), 1)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'l.txt').write_text(
        ''.join(f'{i} 1 0\n' for i in range(20)) + 'gone 1 0\nempty 1 0\n'
    )
    args = dict(ann_file='l.txt', frame_dirs=True, pipeline=LOAD)
    data = SourceImageDataset(str(tmp_path), **args)
    assert frame(data[at(20)]) == frame(data[at(21)]) == 0
    strict = SourceImageDataset(str(tmp_path), bad_files='raise', **args)
    for i, name in ((20, 'gone'), (21, 'empty')):
        with pytest.raises(BadSourceError, match=name):
            strict[at(i)]


def test_scan_of_frame_folders(tmp_path):
    for name in ('v10/1.png', 'v9/1.JPG', 'v9/sub/1.png', 'v9/clip.mp4'):
        write_image(tmp_path / name)
    assert list(scan_tree(str(tmp_path), frame_dirs=True)) == [
        'v9',
        'v9/sub',
        'v10',
    ]
    assert list(scan_tree(str(tmp_path))) == [
        'v9/1.JPG',
        'v9/clip.mp4',
        'v9/sub/1.png',
        'v10/1.png',
    ]
