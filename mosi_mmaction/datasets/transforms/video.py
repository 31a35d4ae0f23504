"""Decode videos for fine-tuning; replaces DecordInit and DecordDecode."""

from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...media.decoder_client import check_decoder
from ...media.frame_cache import FrameCache
from ...media.video import VideoFile


@TRANSFORMS.register_module()
class VideoInit(BaseTransform):
    """Open a video for SampleFrames and VideoDecode.

    Frame k is the k-th frame presented when the video is decoded from the
    start, upright. MMAction2's ``DecordInit`` lets decord seek, which returns
    wrong frames from many AVI, MPEG and WMV files and crashes on truncated
    ones. Here a separate process decodes, so no file can crash or hang this
    one.

    Required Keys:
        - filename (str)
        - backend_args (dict, optional)
    Added Keys:
        - video_reader (VideoFile), total_frames (int), avg_fps (float)

    Args:
        cache_mb: Size of the decoded frames that every worker keeps, in units
            of 2**20 bytes. It helps in many epochs over small videos, which
            take longer to decode again than to train on. Videos that do not
            fit are decoded each time. 0 keeps none.
        decoder: Decoder to force, ``'pyav'`` or ``'decord'``: it gives the
            right frames or refuses the file. None uses the environment
            variable ``MOSI_DECODER``, or else chooses for each file.

    Raises:
        ValueError: If ``cache_mb`` is negative or there is no such decoder.
    """

    def __init__(
        self, cache_mb: float = 0, decoder: str | None = None
    ) -> None:
        if not cache_mb >= 0:
            raise ValueError(
                f'VideoInit.cache_mb={cache_mb!r}: must be 0 or more'
            )
        self.decoder = check_decoder(decoder, 'VideoInit.decoder')
        self.cache = FrameCache(int(cache_mb * 2**20)) if cache_mb else None

    def transform(self, results: dict) -> dict:
        """Open.

        Raises:
            BadSourceError: If the file cannot be opened.
        """
        open_video = self.cache.open if self.cache else VideoFile
        video = open_video(
            results['filename'], results.get('backend_args'), self.decoder
        )
        results['video_reader'] = video
        results['total_frames'] = video.num_frames
        results['avg_fps'] = video.fps
        return results


@TRANSFORMS.register_module()
class VideoDecode(BaseTransform):
    """Decode the frames that SampleFrames chose.

    Required Keys:
        - video_reader (VideoFile), frame_inds (np.ndarray)
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
