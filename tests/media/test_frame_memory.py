"""Memory of frames is written again only when nothing refers to it."""

import os
import socket

import numpy as np
import pytest

from mosi_mmaction.media import frame_memory
from mosi_mmaction.media.frame_memory import FrameReader, FrameWriter
from mosi_mmaction.media.video import VideoFile

SHAPE = 2, 64, 64, 3
SIZE = int(np.prod(SHAPE))


class Pair:
    """Both ends, in one process."""

    def __init__(self):
        self.writer, self.reader = FrameWriter(), FrameReader()
        self.sockets = socket.socketpair()

    def send(self, value, shape=SHAPE):
        free, gone = self.reader.offer()
        self.writer.forget(gone)
        images = iter(np.full(shape, value, np.uint8))
        places = range(shape[0])
        shape, number, handle = self.writer.write(images, places, free)
        if handle is not None:
            socket.send_fds(self.sockets[0], [b'.'], [handle])
            os.close(handle)
        handles = None if handle is None else self.sockets[1]
        return self.reader.receive(shape, number, handles)


@pytest.fixture
def pair():
    pair = Pair()
    yield pair
    for end in pair.sockets:
        end.close()


def address(frames):
    return frames.__array_interface__['data'][0]


def test_memory_without_users_is_written_again(pair):
    first = pair.send(1)
    at = address(first)
    del first
    again = pair.send(2)
    assert address(again) == at and (again == 2).all()


@pytest.mark.parametrize(
    'view',
    [
        lambda frames: frames[1],
        lambda frames: [*frames][0],
        lambda frames: frames[:, 5:9, ::2].transpose(3, 0, 1, 2),
        lambda frames: memoryview(frames),
        lambda frames: frames.view(np.ma.MaskedArray)[0],
        lambda frames: frames.reshape(-1, 2),
    ],
)
def test_what_any_view_refers_to_is_not(pair, view):
    kept = [view(pair.send(value)) for value in range(5)]
    assert all((np.asarray(k) == value).all() for value, k in enumerate(kept))


def test_a_tensor_refers_to_it_too(pair):
    torch = pytest.importorskip('torch')
    kept = torch.from_numpy(pair.send(1))[0]
    pair.send(2)
    assert (kept == 1).all()


def test_a_forked_process_keeps_its_frames(pair):
    frames = pair.send(1)
    asks, answers = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            os.read(asks[0], 1)
            os.write(answers[1], b'same' if (frames == 1).all() else b'other')
        finally:
            os._exit(0)
    del frames
    for value in range(2, 5):
        assert (pair.send(value) == value).all()
    os.write(asks[1], b'.')
    os.close(answers[1])
    os.waitpid(child, 0)
    assert os.read(answers[0], 9) == b'same'
    for handle in (*asks, answers[0]):
        os.close(handle)
    assert len(pair.reader._maps) == len(pair.writer._maps) == 1


def test_no_more_is_kept_than_allowed(pair, monkeypatch):
    monkeypatch.setattr(frame_memory, 'KEPT', 3 * SIZE)
    frames = [pair.send(value) for value in range(8)]
    del frames
    pair.send(9)
    assert len(pair.reader._maps) == len(pair.writer._maps) == 3
    for count in (4, 7, 20, 3):  # the last but one is never kept
        frames = pair.send(count, (count, *SHAPE[1:]))
        assert (frames == count).all()
    del frames
    pair.reader.offer()
    assert sum(map(len, pair.reader._maps.values())) <= 3 * SIZE


def test_a_single_frame_does_not_occupy_the_memory_of_many(pair):
    many = (40, *SHAPE[1:])
    at = address(pair.send(1, many))
    one = pair.send(2, (1, *SHAPE[1:]))
    assert address(pair.send(3, many)) == at
    assert (one == 2).all()


def test_refused_frames_leave_the_memory(pair, monkeypatch):
    def broken():
        yield np.zeros(SHAPE[1:], np.uint8)
        raise ValueError('cannot be decoded')

    pair.send(1)
    for _ in range(3):
        free, _ = pair.reader.offer()
        with pytest.raises(ValueError, match='cannot be decoded'):
            pair.writer.write(broken(), [0, 1], free)
    assert (pair.send(2) == 2).all()
    assert len(pair.writer._maps) == 1
    monkeypatch.setattr(frame_memory, 'MAX_ANSWER', SIZE - 1)
    with pytest.raises(ValueError, match='2 frames of 64x64 pixels take 0'):
        pair.send(3)


def test_frames_of_videos_stay_what_they_are(videos):
    kept = []
    rng = np.random.default_rng(0)
    for turn in range(30):
        video = VideoFile(videos[turn % 2])
        frames = video.read(rng.integers(video.num_frames, size=4))
        kept.append((frames[turn % 4], frames[turn % 4].copy()))
        if turn % 3 == 0:
            kept.pop(rng.integers(len(kept)))
    for frame, copy in kept:
        np.testing.assert_array_equal(frame, copy)
