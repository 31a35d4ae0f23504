"""The whole way at the paper's size, as a user goes it, on a stand-in."""

import subprocess
import sys
from pathlib import Path

import av
import pytest
from av.video.frame import PictureType
from standin_hmdb51 import CLASSES, make

ROOT = Path(__file__).resolve().parents[1]
TRAINED, TESTED = 4, 3  # videos of one step, and of the test


@pytest.fixture(scope='module')
def hmdb51(shared_data, tmp_path_factory):
    """The stand-in with its lists, those of split 1 cut short."""
    footage = shared_data / 'videos/weizmann'
    if not footage.is_dir():
        pytest.skip(f'no footage at {footage}')
    out = tmp_path_factory.mktemp('data with blanks') / 'hmdb51'
    make(out, footage)
    done = subprocess.run(
        [
            sys.executable,
            ROOT / 'tools/data/prepare.py',
            'hmdb51',
            *('--splits', out / 'testTrainMulti_7030_splits'),
            *('--videos', out / 'videos', '--out', out),
            '--allow-other-counts',
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (out / 'hmdb51_missing.txt').exists()
    for half, count in (('train', TRAINED), ('val', TESTED)):
        path = out / f'hmdb51_{half}_split_1_videos.txt'
        lines = path.read_text().splitlines(keepends=True)
        assert len(lines) == len(CLASSES)
        path.write_text(''.join(lines[:count]))
    return out


@pytest.mark.slow
def test_the_stand_in_is_made_as_hmdb51_is(hmdb51, shared_data):
    split_files = '*_test_split1.txt'
    folder = hmdb51 / 'testTrainMulti_7030_splits'
    ours = {path.name for path in folder.glob(split_files)}
    assert len(ours) == 51
    official = shared_data / 'splits/hmdb51/testTrainMulti_7030_splits'
    if official.is_dir():
        assert ours == {path.name for path in official.glob(split_files)}
    videos = sorted((hmdb51 / 'videos').rglob('*.avi'))
    for mark in '#; [(':
        assert any(mark in path.name for path in videos)
    for path in videos[::20]:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            assert stream.codec_context.codec_tag == 'XVID'
            assert (stream.height, stream.average_rate) == (240, 30)
            kinds = [
                PictureType(frame.pict_type) for frame in file.decode(stream)
            ]
        assert 36 <= len(kinds) <= 90
        assert kinds.count(PictureType.B) > len(kinds) / 3
