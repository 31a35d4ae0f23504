"""Load source images: image files, or single frames of videos."""

from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...media.decoder_client import check_decoder
from ...media.errors import BadSourceError
from ...media.image import decode_image, read_bytes
from ...media.paths import join, list_frames
from ...media.video import read_frame, read_keyframe
from .seeding import results_rng


@TRANSFORMS.register_module()
class LoadSourceImage(BaseTransform):
    """Load an image file of any kind that Pillow or OpenCV can read.

    EXIF rotation is applied; for an animation the first frame is used;
    16-bit, palette, CMYK and transparent images become 8-bit RGB.

    Required Keys:
        - img_path (str)
        - backend_args (dict, optional)
    Added Keys:
        - img (np.ndarray): (H, W, 3) uint8 RGB.

    Args:
        short_side: Side L_s that the image will be resized to, in pixels. A
            JPEG file at least twice as large is decoded at 1/2, 1/4 or 1/8,
            as long as its short side is still at least this long. None
            decodes at full size.
    """

    def __init__(self, short_side: int | None = None) -> None:
        self.short_side = short_side

    def transform(self, results: dict) -> dict:
        """Load.

        Raises:
            BadSourceError: If the file cannot be read.
        """
        if 'img_path' not in results:
            kind = (
                'a video' if 'filename' in results else 'a directory of frames'
            )
            raise ValueError(
                f'LoadSourceImage got {kind}, '
                f'{results.get("filename", results.get("frame_dir"))!r}: '
                'put LoadSourceFrame into the pipeline instead; it loads '
                'all three'
            )
        path = results['img_path']
        raw = read_bytes(path, results.get('backend_args'))
        results['img'] = decode_image(raw, path, self.short_side)
        return results


@TRANSFORMS.register_module()
class LoadSourceFrame(LoadSourceImage):
    """Load one frame of a video or of a directory of frames (Sec. 3.3).

    With an :class:`~mosi_mmaction.datasets.EpochSampler` every epoch draws
    another frame. If the source is an image, it is loaded, so a dataset may
    mix images and videos.

    Required Keys:
        - filename (str), frame_dir (str) or img_path (str)
        - backend_args (dict, optional)
        - rng (numpy.random.Generator, optional)
    Added Keys:
        - img (np.ndarray): (H, W, 3) uint8 RGB.
        - frame_index (int): Index of the loaded frame.

    Args:
        frame: ``'random'``; ``'middle'`` for validation; or ``'keyframe'``,
            a random one of the frames that are coded without reference to
            others, which are much faster to read from long MP4, MKV and WebM
            videos. In files without time stamps of frames, and in directories
            of frames, it is any frame.
        short_side: See :class:`LoadSourceImage`; for image files only.
        decoder: See :class:`~mosi_mmaction.VideoInit`.

    Raises:
        ValueError: If ``frame`` is not one of these or there is no such
            decoder.
    """

    def __init__(
        self,
        frame: str = 'random',
        short_side: int | None = None,
        decoder: str | None = None,
    ) -> None:
        super().__init__(short_side)
        if frame not in ('random', 'middle', 'keyframe'):
            raise ValueError(
                f'LoadSourceFrame.frame={frame!r}: allowed are '
                "'random', 'middle' and 'keyframe'"
            )
        self.frame = frame
        self.decoder = check_decoder(decoder, 'LoadSourceFrame.decoder')

    def transform(self, results: dict) -> dict:
        """Load.

        Raises:
            BadSourceError: If the file cannot be read.
        """
        if 'img_path' in results:
            return super().transform(results)
        rng = results_rng(results)
        backend_args = results.get('backend_args')

        def choose(num_frames: int) -> int:
            middle = self.frame == 'middle'
            index = num_frames // 2 if middle else rng.integers(num_frames)
            results['frame_index'] = int(index)
            return results['frame_index']

        if 'filename' in results and self.frame == 'keyframe':
            results['frame_index'], results['img'] = read_keyframe(
                results['filename'], rng.random(), backend_args, self.decoder
            )
            return results
        if 'filename' in results:
            results['img'] = read_frame(
                results['filename'], choose, backend_args, self.decoder
            )
            return results
        folder = results['frame_dir']
        try:
            names = list_frames(folder, backend_args)
        except OSError as error:
            raise BadSourceError(
                folder, error.strerror or str(error)
            ) from error
        if not names:
            raise BadSourceError(folder, 'contains no image file')
        path = join(folder, names[choose(len(names))], backend_args)
        raw = read_bytes(path, backend_args)
        results['img'] = decode_image(raw, path, self.short_side)
        return results
