"""Frames by time: what is refused, and every decoder that may be in front."""

import copy
import itertools
from fractions import Fraction

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from helpers.video_files import number_of, write
from mosi_mmaction import SampleFramesAtRate
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.media.errors import BadSourceError

CLIP = dict(clip_len=4, frame_interval=6)
# At 15 frames a second a clip spans 4 * 6 / 2 = 12 frames, its own are
# 11 / 3 apart, and of 40 frames there is room for 28 starts: 0, 28 / 3,
# 56 / 3 for three clips.
THIRDS = [[0, 3, 7, 11], [9, 13, 16, 20], [18, 22, 26, 29]]
# At 30000 / 1001 it spans 23.98 frames: 22.98 / 3 apart, 16.02 of room.
NTSC = [[0, 7, 15, 22], [5, 13, 20, 28], [10, 18, 26, 33]]


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmaction')


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Paths of videos of 40 frames that show their numbers, by rate."""
    folder = tmp_path_factory.mktemp('videos')
    paths = {}
    for rate in (15, 30000 / 1001):
        paths[rate] = folder / f'{rate:.0f}.mp4'
        write(paths[rate], 'mpeg4', frames=40, rate=rate, gop=1)
    return {rate: str(path) for rate, path in paths.items()}


def chosen(step, **sample):
    sample.setdefault('sample_idx', EpochIndex(0, 0, 0))
    out = step(dict(start_index=0, **sample))
    return out['frame_inds'].reshape(out['num_clips'], out['clip_len'])


@pytest.mark.parametrize('rate, told', [(15, THIRDS), (30000 / 1001, NTSC)])
@pytest.mark.parametrize('decoder', ['Decord', 'PyAV', 'OpenCV', 'Video'])
def test_with_every_decoder(videos, decoder, rate, told):
    # MMAction2's own and ours: the frames that arrive show their numbers.
    def run(**settings):
        pipeline = [
            dict(type=f'{decoder}Init'),
            dict(type='SampleFramesAtRate', **CLIP, **settings),
            dict(type=f'{decoder}Decode'),
        ]
        out = Compose([TRANSFORMS.build(s) for s in pipeline])(
            dict(
                filename=videos[rate],
                start_index=0,
                modality='RGB',
                sample_idx=EpochIndex(4, 0, 0),
            )
        )
        return out['frame_inds'].tolist(), [
            number_of(image) for image in out['imgs']
        ]

    places, shown = run(num_clips=3, test_mode=True)
    assert places == shown == np.ravel(told).tolist()
    places, shown = run(num_clips=2)
    assert places == shown
    span = np.diff(np.reshape(places, (2, 4))[:, [0, 3]])
    assert set(span.ravel()) <= ({11, 10, 12} if rate == 15 else {22, 23})
    # Without a target the rate is that of the video: 24 frames long.
    places, _ = run(num_clips=1, test_mode=True, target_fps=None)
    assert places == [8, 15, 23, 31]


def test_a_single_clip_is_in_the_middle_and_a_short_video_stands_still():
    step = SampleFramesAtRate(**CLIP, test_mode=True)
    assert chosen(step, total_frames=40, avg_fps=30).tolist() == [
        [8, 15, 23, 31]
    ]
    for test_mode in (True, False):
        step = SampleFramesAtRate(**CLIP, num_clips=2, test_mode=test_mode)
        short = chosen(step, total_frames=10, avg_fps=30)
        assert short.tolist() == [[0, 7, 9, 9]] * 2
        one = chosen(step, total_frames=1, avg_fps=30)
        assert one.tolist() == [[0] * 4] * 2


def test_frames_are_counted_from_the_first_one():
    step = SampleFramesAtRate(**CLIP, test_mode=True)
    sample = dict(total_frames=40, avg_fps=30, start_index=1)
    out = step(sample)
    assert out['frame_inds'].tolist() == [9, 16, 24, 32]
    assert out['frame_inds'].dtype == np.int32
    assert (out['clip_len'], out['frame_interval'], out['num_clips']) == (
        4,
        6,
        1,
    )
    del sample['start_index']
    assert step(sample)['frame_inds'].tolist() == [8, 15, 23, 31]


def test_training_draws_from_the_stream_of_the_sample():
    step = SampleFramesAtRate(**CLIP, num_clips=3)
    sample = dict(total_frames=400, avg_fps=30)

    def draw(*index):
        return chosen(
            step, **copy.deepcopy(sample), sample_idx=EpochIndex(*index)
        ).tolist()

    np.random.seed(0)
    first = draw(1, 2, 3)
    np.random.seed(1)
    assert draw(1, 2, 3) == first
    assert draw(1, 2, 4) != first and draw(2, 2, 3) != first
    assert len({clip[0] for clip in first}) == 3


@pytest.mark.parametrize(
    'name', ['clip_len', 'frame_interval', 'num_clips', 'target_fps']
)
@pytest.mark.parametrize('value', [0, -1, float('nan'), float('inf')])
def test_wrong_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f'SampleFramesAtRate.{name}='):
        SampleFramesAtRate(**{**CLIP, name: value})


@pytest.mark.parametrize(
    'sample, reason',
    [
        (dict(total_frames=0, avg_fps=30), 'no frames'),
        (dict(total_frames=9, avg_fps=0), 'frame rate of 0'),
        (dict(total_frames=9, avg_fps=float('nan')), 'frame rate of nan'),
        (dict(total_frames=9, avg_fps=float('inf')), 'frame rate of inf'),
    ],
)
def test_videos_that_cannot_be_sampled_are_bad_files(sample, reason):
    step = SampleFramesAtRate(**CLIP)
    with pytest.raises(BadSourceError, match=reason) as error:
        step(dict(filename='a b.avi', **sample))
    assert error.value.path == 'a b.avi'
    if sample['total_frames']:  # without a target no rate is asked for
        step = SampleFramesAtRate(**CLIP, target_fps=None, test_mode=True)
        assert chosen(step, **sample).tolist() == [[0, 7, 8, 8]]


def test_a_header_without_a_number_of_frames_is_said_to_be_so(tmp_path):
    path = tmp_path / 'one.mkv'
    write(path, 'mpeg4', frames=12, gop=1)
    pipeline = [dict(type='PyAVInit'), dict(type='SampleFramesAtRate', **CLIP)]
    run = Compose([TRANSFORMS.build(s) for s in pipeline])
    with pytest.raises(BadSourceError, match='header. VideoInit counts'):
        run(dict(filename=str(path), start_index=0, modality='RGB'))


def test_a_sample_without_a_rate_is_a_mistake_of_the_config():
    # Folders of frames have none: no bad file, so it always stops.
    sample = dict(frame_dir='frames/one', total_frames=40)
    with pytest.raises(ValueError, match='avg_fps.*target_fps=None') as error:
        SampleFramesAtRate(**CLIP)(dict(sample))
    assert not isinstance(error.value, BadSourceError)
    assert 'frames/one' in str(error.value)
    step = SampleFramesAtRate(**CLIP, target_fps=None, test_mode=True)
    assert chosen(step, **sample).tolist() == [[8, 15, 23, 31]]


def test_positions_are_rounded_down_from_exact_ones():
    # Written out in fractions: many fall exactly on a frame.
    for rate, total in itertools.product((12, 15, 24, 25, 50), (61, 90, 300)):
        step = SampleFramesAtRate(16, 4, num_clips=10, test_mode=True)
        found = chosen(step, total_frames=total, avg_fps=rate)
        length = Fraction(16 * 4 * rate, 30)
        room = max(total - length, 0)
        exact = [
            [
                min(int(room * i / 10 + (length - 1) * n / 15), total - 1)
                for n in range(16)
            ]
            for i in range(10)
        ]
        assert found.tolist() == exact
