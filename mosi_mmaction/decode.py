"""Turn files into RGB arrays, or say in one error why that cannot be."""
import io
import warnings
from typing import Callable, Optional

import cv2
import numpy as np
from mmengine import fileio
from PIL import Image, ImageOps

from .errors import BadSourceError

#: Images with more pixels than this are refused (three bytes each must fit
#: into the memory of a worker). JPEG files that are decoded at reduced scale
#: count at that scale.
MAX_PIXELS = 2**27

#: Sources with a shorter side are refused: no motion can be seen in them.
MIN_SIDE = 8

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def read_bytes(path: str, backend_args: Optional[dict] = None) -> bytes:
    """Read a whole file through MMEngine's file backends.

    Raises:
        BadSourceError: If it does not exist, may not be read, is a folder,
            or is empty.
    """
    try:
        raw = fileio.get(path, backend_args=backend_args)
    except OSError as error:
        raise BadSourceError(path, error.strerror or str(error)) from error
    if not raw:
        raise BadSourceError(path, 'the file is empty')
    return raw


def decode_image(raw: bytes, path: str,
                 short_side: Optional[int] = None) -> np.ndarray:
    """Decode an image file to 8-bit RGB.

    Args:
        raw: The file.
        path: Where it came from, for errors.
        short_side: See :class:`~mosi_mmaction.LoadSourceImage`.

    Returns:
        (H, W, 3) uint8 RGB, EXIF rotation applied.

    Raises:
        BadSourceError: If it is not an image, is truncated, or is too
            small or too large.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of what MAX_PIXELS decides about.
            warnings.simplefilter('ignore')
            header = Image.open(io.BytesIO(raw))
    except (OSError, ValueError, SyntaxError, OverflowError,
            Image.DecompressionBombError) as error:
        raise BadSourceError(path, f'not a readable image: {error}') \
            from error
    width, height = header.size
    if min(width, height) < MIN_SIDE:
        raise BadSourceError(
            path, f'{width}x{height} pixels; at least {MIN_SIDE} a side are '
            'needed')
    is_jpeg = header.format in ('JPEG', 'MPO')
    scale = 1
    if is_jpeg and short_side:
        while scale < 8 and min(width, height) >= 2 * scale * short_side:
            scale *= 2
    if width * height > MAX_PIXELS * scale**2:
        raise BadSourceError(
            path, f'{width}x{height} pixels are more than the '
            f'{MAX_PIXELS} that may be decoded')
    # OpenCV is faster but fills what is missing of a truncated file with
    # grey, silently. So it only gets files that end as they should.
    complete = raw.endswith(b'\xff\xd9') if is_jpeg else \
        header.format == 'PNG' and raw[-8:-4] == b'IEND'
    if complete and header.mode in ('L', 'RGB', 'RGBA', 'P'):
        img = cv2.imdecode(np.frombuffer(raw, np.uint8), _REDUCED[scale])
        if img is not None:
            return cv2.cvtColor(img, cv2.COLOR_BGR2RGB)
    return _decode_with_pillow(header, path)


def _decode_with_pillow(image: Image.Image, path: str) -> np.ndarray:
    try:
        image.seek(0)
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith('I'):
            # 16 bits a pixel; Pillow's own conversion would clip to 255.
            array = np.asarray(image).astype(np.int64)
            if array.max() > 255:
                array >>= 8
            array = np.clip(array, 0, 255).astype(np.uint8)
            return np.repeat(array[..., None], 3, axis=2)
        if image.mode == 'F':
            raise BadSourceError(
                path, 'floating-point pixels have no defined range; convert '
                'the file to 8 or 16 bits')
        return np.array(image.convert('RGB'))
    except BadSourceError:
        raise
    except (OSError, ValueError, SyntaxError, IndexError, EOFError,
            OverflowError, MemoryError) as error:
        raise BadSourceError(path, f'cannot be decoded: {error}') from error


def read_frame(path: str, choose: Callable[[int], int],
               backend_args: Optional[dict] = None) -> np.ndarray:
    """Decode one frame of a video.

    Decord decodes; where it is not installed (it has no wheel but for
    x86-64) PyAV does.

    Args:
        path: The video file.
        choose: Called with the number of frames; returns an index.
        backend_args: Of MMEngine's file backend; None is the local disk.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        BadSourceError: If there is no frame that can be decoded there.
    """
    raw = io.BytesIO(read_bytes(path, backend_args))
    try:
        import decord  # noqa: F401
    except ImportError:
        img = _read_with_pyav(raw, path, choose)
    else:
        img = _read_with_decord(raw, path, choose)
    if min(img.shape[:2]) < MIN_SIDE:
        raise BadSourceError(
            path, f'{img.shape[1]}x{img.shape[0]} pixels; at least '
            f'{MIN_SIDE} a side are needed')
    return img


def _read_with_decord(raw, path, choose):
    import decord
    try:
        reader = decord.VideoReader(raw, num_threads=1)
        if not len(reader):
            raise BadSourceError(path, 'the video has no frame')
        return reader[choose(len(reader))].asnumpy()
    except (decord.DECORDError, RuntimeError, OSError, IndexError) as error:
        reason = str(error).strip().splitlines()[-1:] or [repr(error)]
        raise BadSourceError(
            path, f'decord cannot decode it: {reason[0]}') from error


def _read_with_pyav(raw, path, choose):
    import av
    try:
        with av.open(raw) as container:
            stream = container.streams.video[0]
            # The container's own count is often absent, so packets are
            # counted; that decodes nothing.
            total = sum(p.size > 0 for p in container.demux(stream))
            if not total:
                raise BadSourceError(path, 'the video has no frame')
            index = choose(total)
            container.seek(0)
            for number, frame in enumerate(container.decode(stream)):
                if number == index:
                    return frame.to_ndarray(format='rgb24')
    except (av.FFmpegError, IndexError, OSError) as error:
        raise BadSourceError(
            path, f'PyAV cannot decode it: {error}') from error
    raise BadSourceError(path, f'frame {index} of {total} is not there')
