"""Videos that are torn, huge or hostile, and the process that decodes."""

import os
import signal
import time

import cv2
import numpy as np
import pytest

from helpers.launch import run
from helpers.motion_truth import textured_image
from helpers.odd_files import frame_number, read_in_process, swell, write_video
from mosi_mmaction.media import decoder_client as decoding
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.video import VideoFile, read_frame


@pytest.fixture
def good(tmp_path):
    """Three good images; a quarter of the list is bad at most."""
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f'good_{i}.png'))
        cv2.imwrite(paths[-1], textured_image(80, i))
    return paths


def test_frames_are_those_asked_for(tmp_path):
    video = VideoFile(str(write_video(tmp_path / 'a.avi')))
    assert video.num_frames == 20 and video.fps == 10
    frames = video.read([3, 3, 19, 0, 11])
    assert frames.shape == (5, 48, 64, 3) and frames.dtype == np.uint8
    assert [frame_number(f) for f in frames] == [3, 3, 19, 0, 11]


def test_truncated_avi_is_read_as_far_as_it_goes(tmp_path):
    path = write_video(tmp_path / 'a.avi', size=(320, 240))
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])  # decord crashed on such files
    img = read_frame(str(path), lambda n: n - 1)
    assert 3 <= frame_number(img) <= 12


def test_wrong_frame_count_falls_back_to_frames_that_are_there(shared_data):
    path = shared_data / 'odd_media' / 'videos' / 'decord_corrupted.mp4'
    with pytest.raises(BadSourceError):
        VideoFile(str(path)).read([30])
    asked = []

    def choose(total):
        asked.append(total)
        return 30 if len(asked) == 1 else total // 2

    assert read_frame(str(path), choose).shape == (720, 1280, 3)
    assert asked == [50, 30]


def test_resolution_change_yields_frames_of_one_size(shared_data):
    path = shared_data / 'odd_media' / 'videos' / 'made_resolution_change.ts'
    video = VideoFile(str(path))
    frames = video.read(range(video.num_frames))
    assert frames.shape == (40, 144, 180, 3)
    assert frames[-1].std() > 10


@pytest.mark.slow
def test_video_bomb(tmp_path, good):
    path = tmp_path / 'odd.avi'
    swell(path)
    read_in_process([path], good, tmp_path, [path])


def test_large_video_is_refused_before_it_fills_the_memory(tmp_path, good):
    path = write_video(tmp_path / 'odd.avi', 1, (12000, 12000))
    read_in_process([path], good, tmp_path, [path])


def test_video_that_aborts_decord_is_read(shared_data, tmp_path, good):
    whole = shared_data / 'odd_media' / 'videos' / 'made_hevc.mp4'
    raw = bytearray(whole.read_bytes())
    raw[13877] = 123
    path = tmp_path / 'odd.mp4'
    path.write_bytes(raw)
    read_in_process([path, whole], good, tmp_path, [])


def test_decoder_that_dies_is_the_files_fault_only_once(tmp_path):
    path = str(write_video(tmp_path / 'a.avi'))
    video = VideoFile(path)
    os.kill(decoding._local.decoder.pid, signal.SIGKILL)
    # It died after its last answer: the next request is not to blame.
    assert frame_number(video.read([3])[0]) == 3
    os.kill(decoding._local.decoder.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert frame_number(VideoFile(path).read([5])[0]) == 5


def test_decoder_that_hangs_is_given_up(tmp_path, monkeypatch):
    path = str(write_video(tmp_path / 'a.avi'))
    video = VideoFile(path)
    pid = decoding._local.decoder.pid
    os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(decoding, 'VIDEO_SECONDS', 1.5)
        with pytest.raises(BadSourceError, match='took more than 1.5 s'):
            video.read([0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert frame_number(VideoFile(path).read([7])[0]) == 7


def test_decoder_that_computes_for_ever_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, 'VIDEO_SECONDS', 0.3)
    path = str(write_video(tmp_path / 'a.avi', 8, (4800, 3600)))
    with pytest.raises(BadSourceError, match='took more than 0.3 s'):
        video = VideoFile(path)
        video.read([*range(8)])


def count_decoders(path, out):
    """Decode in this process and in a forked one; both must be right."""
    VideoFile(path)
    child = os.fork()
    right = frame_number(VideoFile(path).read([4])[0]) == 4
    if child == 0:
        os._exit(0 if right else 3)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(out, 'w') as file:
        file.write(f'{right} {status} {decoding._local.decoder.pid}')


def test_forked_worker_has_a_decoder_of_its_own_and_none_stays(tmp_path):
    path = str(write_video(tmp_path / 'a.avi'))
    out = tmp_path / 'out'
    assert run(count_decoders, path, str(out), log=tmp_path / 'log') == 0
    right, status, pid = out.read_text().split()
    assert (right, status) == ('True', '0')
    for _ in range(100):
        try:
            with open(f'/proc/{pid}/stat') as file:
                state = file.read().rpartition(')')[2].split()[0]
        except FileNotFoundError:
            return
        if state == 'Z':
            return  # it is over, and nobody asks how it ended
        time.sleep(0.1)
    pytest.fail(f'process {pid} is still there: {state}')
