"""Choose frames by time instead of by frame number."""

import math
from typing import Any

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...media.errors import BadSourceError
from .seeding import results_rng


@TRANSFORMS.register_module()
class SampleFramesAtRate(BaseTransform):
    """Sample clips of the same duration at every frame rate.

    This replaces MMAction2's ``SampleFrames`` and has its arguments and keys;
    the sampling is that of the authors' release. A clip spans
    ``clip_len * frame_interval`` frames of a video of ``target_fps`` frames
    a second, so ``len = clip_len * frame_interval * fps / target_fps``
    frames of this video. Its frames are spaced evenly from ``start`` to
    ``start + len - 1``: 16 frames with an interval of 4 are 63 / 15 = 4.2
    frames apart at 30 fps. Positions are rounded down. A video that is too
    short holds its last frame, whereas ``SampleFrames`` repeats the video.

    In training each start is uniform in ``[0, room]``, where ``room`` is
    ``max(total_frames - len, 0)``. With ``test_mode``, clip i of n starts at
    ``room * i / n``, and a single clip in the middle, at ``room / 2``.

    Required Keys:
        - total_frames (int)
        - avg_fps (float): Frames a second. If the decoder's transform does
          not add it, such as ``PyAVInit`` and ``OpenCVInit``, its
          ``video_reader`` is asked. Not needed without ``target_fps``.
        - start_index (int, optional): Number of the first frame.
        - rng (numpy.random.Generator, optional): For training.
    Added Keys:
        - frame_inds (np.ndarray): (num_clips * clip_len,) int32.
        - clip_len (int), frame_interval (int), num_clips (int)

    Args:
        clip_len: Number of frames in a clip.
        frame_interval: Distance of frames at ``target_fps``, in frames.
        num_clips: Number of clips.
        target_fps: Frame rate that ``frame_interval`` refers to; None for
            the video's own.
        test_mode: Whether the clips have fixed positions.

    Raises:
        ValueError: If an argument is not positive.
    """

    def __init__(
        self,
        clip_len: int,
        frame_interval: int = 1,
        num_clips: int = 1,
        target_fps: float | None = 30,
        test_mode: bool = False,
    ) -> None:
        given: dict[str, float] = dict(
            clip_len=clip_len,
            frame_interval=frame_interval,
            num_clips=num_clips,
        )
        if target_fps is not None:
            given['target_fps'] = target_fps
        for name, value in given.items():
            if not 0 < value < math.inf:
                raise ValueError(
                    f'SampleFramesAtRate.{name}={value!r}: must be positive'
                )
        self.clip_len = clip_len
        self.frame_interval = frame_interval
        self.num_clips = num_clips
        self.target_fps = target_fps
        self.test_mode = test_mode

    def transform(self, results: dict) -> dict:
        """Choose.

        Raises:
            ValueError: If the frame rate is unknown.
            BadSourceError: If the video has no frames, or a frame rate that
                is not a positive number.
        """
        total = results['total_frames']
        if total < 1:
            # PyAVInit uses the header, in which not all files have it.
            unknown = hasattr(results.get('video_reader'), 'streams')
            raise BadSourceError(
                _name(results),
                'has no frames' + ' by its header' * unknown,
                'VideoInit counts frames itself' if unknown else '',
            )
        length = float(self.clip_len * self.frame_interval)
        if self.target_fps is not None:
            length *= _frame_rate(results) / self.target_fps
        room = max(total - length, 0)
        if not self.test_mode:
            starts = results_rng(results).uniform(0, room, self.num_clips)
        elif self.num_clips == 1:
            starts = np.array([room / 2])
        else:
            starts = room * np.arange(self.num_clips) / self.num_clips
        # A position that falls exactly on a frame must not miss it because
        # of a rounding error.
        way = np.linspace(0, max(length - 1, 0), self.clip_len)
        places = np.floor(starts[:, None] + way + 1e-6)
        places = np.clip(places, 0, total - 1) + results.get('start_index', 0)
        results['frame_inds'] = places.ravel().astype(np.int32)
        results['clip_len'] = self.clip_len
        results['frame_interval'] = self.frame_interval
        results['num_clips'] = self.num_clips
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(clip_len={self.clip_len}, '
            f'frame_interval={self.frame_interval}, '
            f'num_clips={self.num_clips}, target_fps={self.target_fps}, '
            f'test_mode={self.test_mode})'
        )


def _frame_rate(results: dict) -> float:
    """Return the frames a second that a decoder's Init provides."""
    rate = results.get('avg_fps')
    if rate is None:
        reader: Any = results.get('video_reader')
        if hasattr(reader, 'get_avg_fps'):  # decord
            rate = reader.get_avg_fps()
        elif hasattr(reader, 'fps'):  # MMCV's, of OpenCV
            rate = reader.fps
        elif hasattr(reader, 'streams'):  # PyAV
            rate = reader.streams.video[0].average_rate or 0
        else:
            raise ValueError(
                f'SampleFramesAtRate: the frame rate of {_name(results)!r} '
                'is unknown: put it into the sample as avg_fps, or set '
                'target_fps=None to sample without it'
            )
    if not 0 < rate < math.inf:
        raise BadSourceError(
            _name(results),
            f'has a frame rate of {float(rate)}; SampleFramesAtRate samples '
            'without it if target_fps=None',
        )
    return float(rate)


def _name(results: dict) -> str:
    return results.get('filename', results.get('frame_dir', 'the sample'))
