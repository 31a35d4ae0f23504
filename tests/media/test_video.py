"""Videos give the frames that were asked for, or an error that says why."""

import os
import signal

import cv2
import numpy as np
import pytest

from mosi_mmaction.datasets.transforms import VideoDecode, VideoInit
from mosi_mmaction.media import decoder_client as decoding
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.frame_cache import FrameCache, KeptVideo
from mosi_mmaction.media.video import VideoFile, read_frame


def error(function, *args):
    with pytest.raises(BadSourceError) as caught:
        function(*args)
    return caught.value


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'ж a.avi'
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (32, 24)
    )
    for n in range(8):
        frame = np.zeros((24, 32, 3), np.uint8)
        frame[:] = (40, 20, 30 * n)  # OpenCV takes BGR
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture(params=['decord', 'pyav'])
def decoder(request, monkeypatch):
    """Both decoders, each forced."""
    pytest.importorskip('av' if request.param == 'pyav' else 'decord')
    monkeypatch.setenv('MOSI_DECODER', request.param)
    return request.param


def test_the_frame_that_was_asked_for(video, decoder):
    for n in range(8):
        out = read_frame(str(video), lambda count, n=n: n + count - 8)
        assert out.shape == (24, 32, 3) and out.dtype == np.uint8
        assert np.abs(out.mean((0, 1)) - [30 * n, 20, 40]).max() < 3


def test_what_is_no_video(tmp_path, video, decoder):
    raw = video.read_bytes()
    for name, content in (
        ('text.mp4', b'no video'),
        ('header.mp4', raw[:200]),
        ('zeros.avi', b'\0' * 5000),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert name in str(error(read_frame, str(path), lambda n: 0))
    assert 'gone' in str(
        error(read_frame, str(tmp_path / 'gone.avi'), lambda n: 0)
    )


def test_a_cut_video_does_not_end_the_process(video, tmp_path, decoder):
    # Given a stream in memory, decord 0.6 crashes on most of these.
    raw = video.read_bytes()
    levels = []
    for share in (0.3, 0.5, 0.7, 0.9):
        path = tmp_path / 'cut.avi'
        path.write_bytes(raw[: int(len(raw) * share)])
        try:
            levels.append(read_frame(str(path), lambda n: n // 2).mean())
        except BadSourceError as caught:
            assert 'cut.avi' in str(caught)
    # The decoder works on after it.
    out = read_frame(str(video), lambda count: 3)
    assert np.abs(out.mean((0, 1)) - [90, 20, 40]).max() < 3
    assert all(19 < level < 91 for level in levels)  # frames of the video


def test_video_too_small(tmp_path, decoder):
    path = tmp_path / 'v.avi'
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (16, 4)
    )
    for _ in range(3):
        writer.write(np.zeros((4, 16, 3), np.uint8))
    writer.release()
    assert 'v.avi' in str(error(read_frame, str(path), lambda n: 0))


def test_decoder_that_cannot_start_is_told(video, monkeypatch, tmp_path):
    broken = tmp_path / 'broken.py'
    broken.write_text('raise SystemExit(3)')
    decoding._local.__dict__.clear()
    monkeypatch.setattr(decoding.decoder_process, '__file__', str(broken))
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r'as it started \(exit code 3'):
            VideoFile(str(video))
    monkeypatch.undo()
    assert VideoFile(str(video)).num_frames == 8


# -------------------------------------------------------------------- cache
def kill_decoder():
    os.kill(decoding._local.decoder.pid, signal.SIGKILL)
    decoding._local.decoder._process.wait()


def test_a_frame_before_those_that_are_lost(video, monkeypatch):
    real, asked, good = VideoFile.read, [], []

    def read(self, indices):
        asked.extend(indices)
        if max(indices) >= len(good):
            raise BadSourceError(self.path, 'is damaged there')
        return real(self, indices)

    monkeypatch.setattr(VideoFile, 'read', read)
    for number, told in ((8, [7]), (7, [7, 6]), (3, [7, 6, 0])):
        good[:] = range(number)
        asked.clear()
        frame = read_frame(str(video), lambda count: count - 1)
        assert asked == told and levels([frame]) == told[-1:]
    good.clear()
    assert 'is damaged there' in str(
        error(read_frame, str(video), lambda count: count - 1)
    )


def levels(frames):
    return [round(float(frame[..., 0].mean()) / 30) for frame in frames]


def test_cached_frames_are_those_of_the_file(video, decoder):
    cache = FrameCache(2**20)
    first = cache.open(str(video))
    assert levels(first.read([5, 2, 2])) == [5, 2, 2]
    assert np.array_equal(
        first.read(range(8)), VideoFile(str(video)).read(range(8))
    )
    # Kept: nothing is left that could decode.
    video.unlink()
    second = cache.open(str(video))
    assert (second.num_frames, second.fps) == (8, first.fps)
    frames = second.read([7, 0])
    assert levels(frames) == [7, 0]
    # What a transform does to them stays its own.
    frames[:] = 0
    assert levels(second.read([7, 0])) == [7, 0]
    for index in (8, -1):
        assert 'it has 8' in str(error(second.read, [0, index]))


def test_cache_keeps_what_fits(video, tmp_path, decoder):
    size = 8 * 24 * 32 * 3
    other = tmp_path / 'b.avi'
    other.write_bytes(video.read_bytes())
    for room, kept in (
        (size - 1, []),
        (size, [0]),
        (2 * size - 1, [0]),
        (2 * size, [0, 1]),
    ):
        cache = FrameCache(room)
        for _ in range(2):
            for path in (video, other):
                out = cache.open(str(path)).read([3, 6])
                assert levels(out) == [3, 6]
        found = [
            n
            for n, path in enumerate((video, other))
            if isinstance(cache.open(str(path)), KeptVideo)
        ]
        assert found == kept


def test_cache_leaves_damaged_videos_their_good_frames(video, monkeypatch):
    real, asked = VideoFile.read, []

    def read(self, indices):
        asked.append(list(indices))
        if 6 in indices:
            raise BadSourceError(self.path, 'frame 6 is damaged')
        return real(self, indices)

    monkeypatch.setattr(VideoFile, 'read', read)
    cache = FrameCache(2**20)
    for _ in range(2):
        assert levels(cache.open(str(video)).read([4, 7])) == [4, 7]
    assert 'frame 6' in str(error(cache.open(str(video)).read, [6]))
    assert asked.count(list(range(8))) == 1


def test_transform_with_a_cache_decodes_once(video):
    init, decode = VideoInit(cache_mb=1), VideoDecode()

    def clip(*indices):
        results = init(dict(filename=str(video)))
        assert results['total_frames'] == 8
        return decode(dict(results, frame_inds=np.array(indices)))['imgs']

    assert levels(clip(1, 3)) == [1, 3]
    kill_decoder()
    video.unlink()
    assert levels(clip(2, 7)) == [2, 7]
    with pytest.raises(ValueError, match='cache_mb'):
        VideoInit(cache_mb=-1)


# ------------------------------------------------------------ odd real files
def test_odd_videos_decode_or_are_refused(shared_data):
    folder = shared_data / 'odd_media' / 'videos'
    if not folder.is_dir():
        pytest.skip('no odd videos there')
    read = refused = 0
    for path in sorted(folder.iterdir()):
        if path.stat().st_size > 2**17:
            continue
        try:
            out = read_frame(str(path), lambda n: n // 2)
        except BadSourceError as caught:
            assert path.name in str(caught)
            refused += 1
        else:
            assert out.dtype == np.uint8 and min(out.shape[:2]) >= 8
            read += 1
    assert read > 10 and refused > 4
