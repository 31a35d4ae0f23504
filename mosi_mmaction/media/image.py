"""Decode image files to RGB arrays, or raise one error that says why not."""

import functools
import io
import os
import stat
import struct
import warnings

import cv2
import numpy as np
from PIL import Image, ImageOps

from .errors import BadSourceError
from .storage import storage

#: Images with more pixels than this are refused: three bytes per pixel and a
#: copy must fit into the memory of a worker.
MAX_PIXELS = 2**27

#: Image files with more bytes than this are refused.
MAX_BYTES = 2**29

#: Sources with a shorter side are refused, as no motion is visible in them.
MIN_SIDE = 8

#: Formats that Pillow may open. It supports more, for example PostScript,
#: which would run a program in the file.
_FORMATS = (
    'AVIF',
    'BMP',
    'DIB',
    'GIF',
    'JPEG',
    'JPEG2000',
    'MPO',
    'PNG',
    'PPM',
    'TIFF',
    'WEBP',
)

# Errors that Pillow raises for damaged files.
_PILLOW_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
    ZeroDivisionError,
    struct.error,
    Image.DecompressionBombError,
)

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


# Since OpenCV 4.11, decoders can return RGB at no extra cost.
_COLOR = getattr(cv2, 'IMREAD_COLOR_RGB', cv2.IMREAD_COLOR)


def read_bytes(path: str, backend_args: dict | None = None) -> bytes:
    """Read an image file through MMEngine's file backends.

    Raises:
        BadSourceError: If it does not exist, may not be read, is not a
            regular file, is empty, or has more than ``MAX_BYTES``.
    """
    try:
        check_local(path, backend_args)
        raw = storage(path, backend_args).get(path)
    except OSError as error:
        raise BadSourceError(path, error.strerror or str(error)) from error
    if not raw:
        raise BadSourceError(path, 'the file is empty')
    return raw


def check_local(
    path: str, backend_args: dict | None = None, max_bytes: int = MAX_BYTES
) -> None:
    """Refuse files on which open() would block or read() would not end."""
    if '://' in path:
        return
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if backend_args:
            return  # the backend may know where to find it
        raise
    if stat.S_ISDIR(status.st_mode):
        raise BadSourceError(path, 'is a directory, not a file')
    if not stat.S_ISREG(status.st_mode):
        raise BadSourceError(path, 'is not a regular file')
    if status.st_size > max_bytes:
        raise BadSourceError(
            path,
            f'{status.st_size} bytes are more than the {max_bytes} '
            'that may be read',
        )


@functools.cache
def _formats() -> tuple:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _open_image(raw: bytes, path: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow warns about sizes that MAX_PIXELS already checks.
            warnings.simplefilter('ignore')
            return Image.open(io.BytesIO(raw), formats=_formats())
    except Image.UnidentifiedImageError as error:
        # Its own message names an object in memory.
        raise BadSourceError(path, 'not a readable image') from error
    except _PILLOW_ERRORS as error:
        raise BadSourceError(path, f'not a readable image: {error}') from error


def _header(raw: bytes, path: str) -> tuple[int, int, bool, bool]:
    """Read the properties of an image before allocating memory for it.

    Returns:
        Width and height in pixels, whether it is a JPEG file, and whether
        OpenCV gives the same pixels as Pillow.
    """
    if raw.startswith(b'\xff\xd8'):
        frame = _jpeg_frame(raw)
        if frame is not None:
            width, height, components = frame
            return width, height, True, components in (1, 3)
    header = _open_image(raw, path)
    is_jpeg = header.format in ('JPEG', 'MPO')
    return (
        *header.size,
        is_jpeg,
        (is_jpeg or header.format == 'PNG')
        and header.mode in ('L', 'RGB', 'RGBA', 'P'),
    )


def _jpeg_frame(raw: bytes) -> tuple[int, int, int] | None:
    """Find the frame header of a JPEG file, the most common kind of source.

    Pillow would also parse EXIF and all other segments, which takes a large
    part of the time of decoding a thumbnail.

    Returns:
        Width, height and number of colour components; None if they are not
        in the expected place, or samples do not have 8 bits.
    """
    at = 2
    while at + 10 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width, components = struct.unpack_from(
                '>BHHB', raw, at + 4
            )
            return (width, height, components) if bits == 8 else None
        else:
            at += 2 + int.from_bytes(raw[at + 2 : at + 4], 'big')
    return None


def decode_image(
    raw: bytes, path: str, short_side: int | None = None
) -> np.ndarray:
    """Decode an image file to 8-bit RGB.

    Args:
        raw: Content of the file.
        path: Path of the file, for errors.
        short_side: See :class:`~mosi_mmaction.LoadSourceImage`.

    Returns:
        (H, W, 3) uint8 RGB, EXIF rotation applied.

    Raises:
        BadSourceError: If it is not an image, is truncated, or is too
            small or too large.
    """
    width, height, is_jpeg, ordinary = _header(raw, path)
    if min(width, height) < MIN_SIDE:
        raise BadSourceError(
            path,
            f'{width}x{height} pixels; each side needs at least {MIN_SIDE}',
        )
    if width * height > MAX_PIXELS:
        raise BadSourceError(
            path,
            f'{width}x{height} pixels are more than the '
            f'{MAX_PIXELS} that may be decoded',
        )
    scale = 1
    if is_jpeg and short_side:
        while scale < 8 and min(width, height) >= 2 * scale * short_side:
            scale *= 2
    # OpenCV is faster, but silently fills the missing part of a truncated
    # file with grey. So it only gets files that end properly.
    complete = raw.endswith(b'\xff\xd9') if is_jpeg else raw[-8:-4] == b'IEND'
    if complete and ordinary:
        img = cv2.imdecode(
            np.frombuffer(raw, np.uint8),
            _REDUCED[scale] - cv2.IMREAD_COLOR + _COLOR,
        )
        if img is not None:
            # In place; otherwise large images would need twice the memory.
            return (
                cv2.cvtColor(img, cv2.COLOR_BGR2RGB, dst=img)
                if _COLOR == cv2.IMREAD_COLOR
                else img
            )
    return _decode_with_pillow(raw, path, scale)


def _decode_with_pillow(raw: bytes, path: str, scale: int) -> np.ndarray:
    image = _open_image(raw, path)
    try:
        image.seek(0)
        if scale > 1:
            image.draft(None, (image.width // scale, image.height // scale))
        # In place; otherwise it copies images that need no rotation.
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith('I'):
            # 16 bits per pixel, of which cameras often use 10 to 14; Pillow's
            # own conversion would clip at 255.
            gray = np.maximum(np.asarray(image), 0)
            shift = max(int(gray.max()).bit_length() - 8, 0)
            gray = (gray >> shift).astype(np.uint8)
            return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
        if image.mode == 'F':
            raise BadSourceError(
                path,
                'floating-point pixels have no defined range; convert '
                'the file to 8 or 16 bits',
            )
        image = image.convert('RGB')
        return np.array(image)
    except BadSourceError:
        raise
    except _PILLOW_ERRORS as error:
        raise BadSourceError(path, f'cannot be decoded: {error}') from error
