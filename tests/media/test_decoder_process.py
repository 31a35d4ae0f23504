"""The process that decodes: whose it is, and what it must not do."""

import itertools
import os
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.dataset import Compose

from helpers import video_files
from helpers.video_files import number_of, write
from mosi_mmaction.datasets.transforms import (
    LoadSourceFrame,
    VideoDecode,
    VideoInit,
)
from mosi_mmaction.media import decoder_client, decoder_process, frame_memory
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.video import VideoFile, kinds_read, read_keyframe


def pid():
    return decoder_client._local.decoder.pid


def numbers(video, indices):
    return [number_of(image) for image in video.read(indices)]


# --------------------------------------------------- whose frames are whose
def test_two_open_videos(videos):
    init, decode = VideoInit(), VideoDecode()
    a, b = (init(dict(filename=path)) for path in videos)
    a = decode(dict(a, frame_inds=np.array([3, 5])))['imgs']
    b = decode(dict(b, frame_inds=np.array([3, 5])))['imgs']
    assert [number_of(i) for i in a] == [3, 5]
    assert [number_of(i) for i in b] == [103, 105]


def test_a_restart_between_opening_and_reading(videos):
    a, b = map(VideoFile, videos)
    os.kill(pid(), signal.SIGKILL)
    assert numbers(a, [7]) == [7] and numbers(b, [7]) == [107]


def test_a_fork_between_opening_and_reading(videos):
    a = VideoFile(videos[0])
    child = os.fork()
    if not child:
        right = numbers(a, [9, 4]) == [9, 4]
        os._exit(0 if right else 3)
    assert numbers(a, [2]) == [2]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads(videos):
    opened = [VideoFile(path) for path in videos]
    found = {}

    def read(n):
        found[n] = [numbers(opened[n], [i])[0] for i in range(10)]

    threads = [threading.Thread(target=read, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: [*range(10)], 1: [*range(100, 110)]}


def test_a_file_that_changes_is_read_anew(videos, tmp_path):
    path = tmp_path / 'v.mp4'
    for source, first in zip(videos, (0, 100)):
        with open(source, 'rb') as file:
            path.write_bytes(file.read())
        assert numbers(VideoFile(str(path)), [1]) == [first + 1]


@pytest.mark.parametrize('kept', [0, frame_memory.KEPT])
def test_frames_that_are_wanted_twice_are_apart(videos, monkeypatch, kept):
    monkeypatch.setattr('mosi_mmaction.media.video.KEPT', kept)
    frames = VideoFile(videos[0]).read([4, 2, 4, 9])
    assert [number_of(frame) for frame in frames] == [4, 2, 4, 9]
    frames[0] = 0
    assert [number_of(frame) for frame in frames[1:]] == [2, 4, 9]


@pytest.mark.parametrize(
    'name', ['xvid_b.avi', 'mpeg2.mpg', 'wmv2.wmv', 'h264_open.mp4']
)
@pytest.mark.parametrize('cache_mb', [0, 64])
def test_the_frames_asked_for_through_a_pipeline(name, cache_mb, tmp_path):
    # As a fine-tuning reads them: MMAction2's own sampling between ours.
    path = video_files.make(name, tmp_path)
    steps = Compose(
        [
            dict(type='VideoInit', cache_mb=cache_mb),
            dict(
                type='SampleFrames',
                clip_len=5,
                frame_interval=3,
                num_clips=4,
                test_mode=True,
            ),
            dict(type='VideoDecode'),
        ]
    )
    for seed in range(3):
        np.random.seed(seed)
        found = steps(dict(filename=str(path), start_index=0, modality='RGB'))
        wanted = np.asarray(found['frame_inds']).tolist()
        assert len(wanted) == 20
        assert [number_of(x) for x in found['imgs']] == wanted


# --------------------------------------------------------------- its start
@pytest.mark.parametrize('name', ['random', 'resource', 'decord', 'av'])
def test_it_imports_nothing_from_the_working_directory(
    videos, tmp_path, monkeypatch, name
):
    (tmp_path / f'{name}.py').write_text('raise SystemExit(0)')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYTHONPATH', os.pathsep)
    decoder_client._local.__dict__.clear()
    assert numbers(VideoFile(videos[0]), [6]) == [6]


def broken(folder, *names):
    """Write modules that do not load, and return their directory."""
    for name in names:
        (folder / f'{name}.py').write_text(
            "raise OSError('lib.so: cannot open shared object file')"
        )
    return str(folder)


def test_a_decoder_that_does_not_load(videos, tmp_path, monkeypatch):
    avi = tmp_path / 'v.avi'
    write(avi, 'mpeg4', options=dict(bf='2'))
    monkeypatch.setenv('PYTHONPATH', broken(tmp_path, 'decord'))
    decoder_client._local.__dict__.clear()
    assert numbers(VideoFile(videos[0]), [6]) == [6]
    with pytest.raises(RuntimeError, match='decord does not load.*lib.so'):
        VideoFile(videos[0], decoder='decord')
    decoder_client._local.__dict__.clear()
    (tmp_path / 'decord.py').unlink()
    broken(tmp_path, 'av')
    if _has_decord():
        # The next one takes over, where that is proven right.
        assert numbers(VideoFile(str(avi)), [8, 3]) == [8, 3]
        with pytest.raises(BadSourceError, match='only PyAV can prove'):
            VideoFile(videos[0])
    broken(tmp_path, 'decord')
    decoder_client._local.__dict__.clear()
    with pytest.raises(
        RuntimeError, match='pyav does not load.*decord does not load'
    ):
        VideoFile(videos[0])
    decoder_client._local.__dict__.clear()


def _has_decord():
    try:
        import decord  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def test_a_child_that_fails_says_why(videos, tmp_path, monkeypatch):
    script = tmp_path / 'broken.py'
    script.write_text("raise OSError('the disk is on fire')")
    decoder_client._local.__dict__.clear()
    monkeypatch.setattr(decoder_process, '__file__', str(script))
    with pytest.raises(RuntimeError, match='the disk is on fire'):
        VideoFile(videos[0])


@pytest.mark.parametrize(
    'make',
    [
        lambda: VideoInit(decoder='cv2'),
        lambda: LoadSourceFrame(decoder='cv2'),
        lambda: VideoFile('v.mp4', decoder='cv2'),
    ],
)
def test_unknown_decoder(make):
    with pytest.raises(ValueError, match=r"decoder='cv2': allowed are"):
        make()


def test_unknown_decoder_in_the_environment(monkeypatch):
    monkeypatch.setenv('MOSI_DECODER', 'cv2')
    with pytest.raises(ValueError, match="MOSI_DECODER='cv2'"):
        VideoInit()


# ------------------------------------------------------------------- memory
def test_many_large_frames_are_read_or_the_limit_is_named(
    tmp_path, monkeypatch
):
    path = tmp_path / '5k.mp4'
    write(path, 'libx264', frames=9, size=(5312, 2988), pix_fmt='yuv420p10le')
    video = VideoFile(str(path))
    frames = video.read(range(9))
    assert frames.shape == (9, 2988, 5312, 3)
    assert [number_of(f) for f in frames] == [*range(9)]
    with pytest.raises(
        BadSourceError, match='60 frames of 5312x2988 .* at most 2048'
    ):
        decoder_client.ask('read', str(path), str(path), None, [0] * 60)


@pytest.mark.parametrize('suspended', [False, True])
def test_a_suspended_job_loses_no_file(monkeypatch, suspended):
    # 1000 seconds pass between two looks, as nothing runs, or one each time.
    seconds = itertools.count(step=1000 if suspended else 1)
    clock = SimpleNamespace(monotonic=lambda: next(seconds))
    monkeypatch.setattr(decoder_client, 'time', clock)
    answers = iter([False, False, True] if suspended else [False] * 99)
    decoder = decoder_client._Decoder()
    decoder._connection = SimpleNamespace(poll=lambda _: next(answers))
    monkeypatch.setattr(decoder, '_cpu_seconds', lambda: 0.0)
    monkeypatch.setattr(decoder_client, 'VIDEO_SECONDS', 3)
    assert decoder._wait() is suspended


def test_no_handle_is_left(videos):
    video = VideoFile(videos[0])
    video.read([1])
    before = len(os.listdir('/proc/self/fd'))
    for n in range(20):
        video.read([n])
    assert len(os.listdir('/proc/self/fd')) == before


# ---------------------------------------------------------------- keyframes
def test_random_keyframe(videos):
    load = LoadSourceFrame('keyframe')
    seen = set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        out = load(dict(filename=videos[0], rng=rng))
        assert number_of(out['img']) == out['frame_index']
        seen.add(out['frame_index'])
    assert seen == {0, 10, 20}


def test_a_damaged_file_gives_the_same_answer_each_time(tmp_path):
    whole = tmp_path / 'whole.mp4'
    write(whole, 'libx264', size=(192, 128))
    raw = bytearray(whole.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(len(raw) // 4, len(raw) // 2, 30):
        raw[at] ^= 0xFF
    path = tmp_path / 'damaged.mp4'
    path.write_bytes(raw)

    def answers(order):
        decoder_client._local.__dict__.clear()
        found = {}
        for index in order:
            try:
                found[index] = VideoFile(str(path)).read([index]).tobytes()
            except BadSourceError as error:
                found[index] = error.reason
        return found

    first = answers(range(30))
    assert first == answers(rng.permutation(30).tolist())
    bad = [n for n, answer in first.items() if isinstance(answer, str)]
    good = [n for n in range(30) if n not in bad]
    # Whatever is read together with it.
    frames = VideoFile(str(path)).read(good)
    assert [f.tobytes() for f in frames] == [first[n] for n in good]
    assert good


# ------------------------------------------------------------------- record
def test_the_record_says_what_read_what_and_starts_nothing(videos, tmp_path):
    avi = tmp_path / 'v.avi'
    write(avi, 'h263', size=(176, 144))
    child = os.fork()
    if not child:  # as in a worker that loads
        VideoFile(str(avi))
        os._exit(0)
    os.waitpid(child, 0)
    decoder_client._local.__dict__.clear()
    assert 'pyav: avi, h263, in order' in kinds_read()
    name, version = decoder_client.video_decoder()
    assert name == 'pyav' and version
    assert not hasattr(decoder_client._local, 'decoder')
    assert read_keyframe(videos[0], 0)[0] == 0
    assert 'pyav: mov, h264, by time stamps' in kinds_read()
