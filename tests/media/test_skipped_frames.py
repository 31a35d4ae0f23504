"""What is not decoded changes nothing else, not by a grey level."""

import av
import numpy as np
import pytest

from helpers import video_files
from mosi_mmaction.media import frame_index
from mosi_mmaction.media.pyav_reader import PyAVReader

#: MPEG-4 with B-frames: whether they are skipped, by name.
SKIPPED = {
    'mpeg4_b.avi': True,
    'xvid_b.avi': True,
    'mpeg4_qpel_b.avi': True,
    'mpeg4_b.mp4': True,
    'mpeg4_b.mkv': True,
    'mpeg4_interlaced_b.avi': False,
    'denied_b.avi': False,
    'packed.avi': False,
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('videos')


def opened(path):
    return PyAVReader(str(path), lambda: None)


def plain(path):
    """Decode everything from the start, with PyAV alone."""
    with av.open(str(path)) as file:
        file.streams.video[0].codec_context.thread_count = 1
        return [
            frame.reformat(
                format='rgb24', interpolation='BICUBIC', threads=1
            ).to_ndarray()
            for frame in file.decode(video=0)
        ]


def index_sets(count):
    rng = np.random.default_rng(count)
    yield [*range(count)]
    for size in (1, 1, 1, 1, 4, 8):
        yield sorted({*rng.integers(count, size=size).tolist()})


@pytest.mark.parametrize('name', SKIPPED)
def test_frames_are_those_of_plain_decoding(name, folder):
    path = video_files.make(name, folder)
    right = plain(path)
    used = opened(path)
    assert used.num_frames == len(right)
    assert used.seeks == SKIPPED[name]
    for indices in index_sets(len(right)):
        for reader in (opened(path), used):
            for index, image in zip(indices, reader.read(indices)):
                np.testing.assert_array_equal(image, right[index])


def test_fewer_frames_are_decoded(folder, monkeypatch):
    path = video_files.make('mpeg4_b.avi', folder)
    reader = opened(path)
    frames, decoded = reader._stream.frames, []
    monkeypatch.setattr(
        reader._stream,
        'frames',
        lambda packets: (decoded.append(f) or f for f in frames(packets)),
    )
    # Keyframes are ten apart, and two of three frames are B-frames.
    [*reader.read([5, 25])]
    assert 2 <= len(decoded) <= 8


def test_answers_about_a_damaged_file_do_not_depend_on_the_question(folder):
    path = folder / 'damaged.avi'
    read = refused = 0
    for seed in range(6):
        raw = bytearray(video_files.make('mpeg4_b.avi', folder).read_bytes())
        rng = np.random.default_rng(seed)
        for at in rng.integers(3000, len(raw) - 1500, size=5):
            raw[at] = rng.integers(256)
        path.write_bytes(raw)
        answers = {}
        for indices in index_sets(opened(path).num_frames):
            try:
                for index, image in zip(indices, opened(path).read(indices)):
                    known = answers.setdefault(index, image.copy())
                    np.testing.assert_array_equal(image, known)
                    read += 1
            except ValueError:
                refused += 1
    assert read > 100 and refused < 30


@pytest.mark.parametrize(
    'name', ['h264_open.mp4', 'hevc.mkv', 'mpeg4.avi', 'mpeg4_b.avi']
)
def test_packets_too_large_to_be_kept(name, folder, monkeypatch):
    path = video_files.make(name, folder)
    kept = [image.copy() for image in opened(path).read(range(30))]
    monkeypatch.setattr(frame_index, 'KEPT', 900)
    reader = opened(path)
    # Without its packets, a file that has no time stamps is counted.
    assert reader.num_frames == 30
    assert not reader._packets and reader.seeks == (name != 'mpeg4_b.avi')
    for indices in index_sets(30):
        for index, image in zip(indices, reader.read(indices)):
            np.testing.assert_array_equal(image, kept[index])
