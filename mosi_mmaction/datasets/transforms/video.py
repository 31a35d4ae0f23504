"""Decode videos for fine-tuning: in the place of DecordInit, DecordDecode."""

from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...media.video import FrameCache, Video


@TRANSFORMS.register_module()
class VideoInit(BaseTransform):
    """Open a video, for SampleFrames and VideoDecode.

    MMAction2's ``DecordInit`` hands decord an open file, which crashes the
    process on truncated AVI files. Here another process decodes, so that no
    file can crash or hang this one.

    Required Keys:
        - filename (str)
        - backend_args (dict, optional)
    Added Keys:
        - video_reader (Video), total_frames (int), avg_fps (float)

    Args:
        cache_mb: Decoded frames that every worker keeps, in units of 2**20
            bytes: for many epochs over small videos, where to decode them
            again costs more than to train on them. What does not fit in is
            decoded each time. 0 keeps nothing.

    Raises:
        ValueError: If it is negative.
    """

    def __init__(self, cache_mb: float = 0) -> None:
        if not cache_mb >= 0:
            raise ValueError(
                f'VideoInit.cache_mb={cache_mb!r}: must be 0 or more'
            )
        self.cache = FrameCache(int(cache_mb * 2**20)) if cache_mb else None

    def transform(self, results: dict) -> dict:
        """Open.

        Raises:
            BadSourceError: If the file cannot be opened.
        """
        video = Video(
            results['filename'], results.get('backend_args'), self.cache
        )
        results['video_reader'] = video
        results['total_frames'] = video.num_frames
        results['avg_fps'] = video.fps
        return results


@TRANSFORMS.register_module()
class VideoDecode(BaseTransform):
    """Decode the frames that SampleFrames chose.

    Required Keys:
        - video_reader (Video), frame_inds (np.ndarray)
    Added Keys:
        - imgs (list[np.ndarray]): Frames, each (H, W, 3) uint8 RGB.
        - original_shape, img_shape (tuple): (H, W).
    """

    def transform(self, results: dict) -> dict:
        """Decode.

        Raises:
            BadSourceError: If a frame cannot be decoded.
        """
        video = results.pop('video_reader')
        frames = video.read(results['frame_inds'].ravel())
        results['frame_inds'] = results['frame_inds'].ravel()
        results['imgs'] = list(frames)
        results['original_shape'] = results['img_shape'] = frames.shape[1:3]
        return results
