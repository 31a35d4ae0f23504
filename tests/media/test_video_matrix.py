"""Frame k is the k-th frame that decoding presents, in every kind of file."""

import numpy as np
import pytest

from helpers import video_files
from helpers.video_files import NAMES, PLAIN, number_of
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.pyav_reader import PyAVReader
from mosi_mmaction.media.video import VideoFile, read_keyframe

#: What is not read in the order of a plain film.
BACKWARDS = {n for n in PLAIN if n.startswith('two_before')}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('videos')


def made(name, folder):
    try:
        return video_files.make(name, folder)
    except LookupError as error:
        pytest.skip(str(error))


def index_sets(count):
    """Sets of indices: all, sorted and not, with repeats."""
    rng = np.random.default_rng(count)
    yield np.arange(count)
    for size in (1, 1, 1, 3, 7):
        yield rng.integers(count, size=size)
        yield np.sort(rng.integers(count, size=size))


@pytest.mark.parametrize('name', NAMES)
def test_every_frame_is_the_right_one(name, folder):
    path = made(name, folder)
    truth = video_files.presented(path)
    if name in PLAIN:
        number = PLAIN[name].get('frames', video_files.FRAMES)
        plain = [*range(number)]
        if name in BACKWARDS and len(set(truth) & set(plain)) == 0:
            plain = [255 - n for n in plain]
        assert truth == plain
    # Without its keyframe the first frame is grey.
    assert truth and None not in truth[name == 'lost_start.avi' :]
    if video_files.FFMPEG:
        assert video_files.presented_by_ffmpeg(path) == truth
    video = VideoFile(str(path))
    assert video.num_frames == len(truth)
    for indices in index_sets(len(truth)):
        # Each set by a reader of its own, and by one that has read before.
        for reader in (VideoFile(str(path)), video):
            found = [number_of(image) for image in reader.read(indices)]
            assert found == [truth[i] for i in indices]
    for share in (0, 0.4, 0.99):
        index, image = read_keyframe(str(path), share)
        assert number_of(image) == truth[index]
        # One that has not read the whole file, as that one has.
        fresh = PyAVReader(str(path), lambda: None)
        index, image = fresh.read_keyframe(share)
        assert number_of(image) == truth[index]


@pytest.mark.parametrize('name', NAMES)
def test_decord_when_forced_is_right_or_refuses(name, folder):
    pytest.importorskip('decord')
    path = made(name, folder)
    truth = video_files.presented(path)
    try:
        video = VideoFile(str(path), decoder='decord')
        for indices in index_sets(len(truth)):
            found = [number_of(image) for image in video.read(indices)]
            assert found == [truth[i] for i in indices]
    except BadSourceError as error:
        assert name in str(error) and len(error.reason) > 25
        if name.startswith('av1'):
            assert 'inside decord has no decoder for av1' in error.reason
