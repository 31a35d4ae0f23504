"""Turn files into RGB arrays, or say in one error why that cannot be."""
import contextlib
import functools
import io
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterable
from multiprocessing import Pipe
from typing import Any, Callable, Optional

import cv2
import numpy as np
from mmengine import fileio
from PIL import Image, ImageOps

from . import decoder_process
from .errors import BadSourceError

#: Images with more pixels than this are refused: three bytes each and a copy
#: must fit into the memory of a worker.
MAX_PIXELS = 2**27

#: Image files with more bytes than this are refused.
MAX_BYTES = 2**29

#: Sources with a shorter side are refused: no motion can be seen in them.
MIN_SIDE = 8

#: A video is refused if its decoder computes for more seconds than this, or
#: stands still for as long, before it is open, or before it has eight frames.
VIDEO_SECONDS = float(os.environ.get('MOSI_VIDEO_SECONDS', 8))

#: What Pillow may open. It knows more, among them PostScript, which would
#: run a program that is in the file.
_FORMATS = ('AVIF', 'BMP', 'DIB', 'GIF', 'JPEG', 'JPEG2000', 'MPO', 'PNG',
            'PPM', 'TIFF', 'WEBP')

# What Pillow raises on damaged files.
_PILLOW_ERRORS = (OSError, ValueError, SyntaxError, IndexError, KeyError,
                  TypeError, AttributeError, EOFError, OverflowError,
                  MemoryError, RuntimeError, ZeroDivisionError, struct.error,
                  Image.DecompressionBombError)

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


# Since OpenCV 4.11 decoders give RGB at no cost, if asked to.
_COLOR = getattr(cv2, 'IMREAD_COLOR_RGB', cv2.IMREAD_COLOR)


def read_bytes(path: str, backend_args: Optional[dict] = None) -> bytes:
    """Read a whole image file through MMEngine's file backends.

    Raises:
        BadSourceError: If it does not exist, may not be read, is no regular
            file, is empty, or has more than ``MAX_BYTES``.
    """
    try:
        _check_local(path)
        raw = fileio.get(path, backend_args=backend_args)
    except OSError as error:
        raise BadSourceError(path, error.strerror or str(error)) from error
    if not raw:
        raise BadSourceError(path, 'the file is empty')
    return raw


def _check_local(path: str, max_bytes: int = MAX_BYTES) -> None:
    """Refuse what open() would wait for, or read() would not end."""
    if '://' in path:
        return
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise BadSourceError(path, 'is a folder, not a file')
    if not stat.S_ISREG(status.st_mode):
        raise BadSourceError(path, 'is not a regular file')
    if status.st_size > max_bytes:
        raise BadSourceError(
            path, f'{status.st_size} bytes are more than the {max_bytes} '
            'that may be read')


@functools.cache
def _formats() -> tuple:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _open_image(raw: bytes, path: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Pillow warns of what MAX_PIXELS decides about.
            warnings.simplefilter('ignore')
            return Image.open(io.BytesIO(raw), formats=_formats())
    except Image.UnidentifiedImageError as error:
        # Its own message names an object in memory.
        raise BadSourceError(path, 'not a readable image') from error
    except _PILLOW_ERRORS as error:
        raise BadSourceError(path, f'not a readable image: {error}') \
            from error


def _header(raw: bytes, path: str) -> tuple[int, int, bool, bool]:
    """Read what an image is going to be before any memory is taken for it.

    Returns:
        Width and height in pixels, whether it is a JPEG file, and whether
        OpenCV makes of its pixels what Pillow would.
    """
    if raw.startswith(b'\xff\xd8'):
        frame = _jpeg_frame(raw)
        if frame is not None:
            width, height, components = frame
            return width, height, True, components in (1, 3)
    header = _open_image(raw, path)
    is_jpeg = header.format in ('JPEG', 'MPO')
    return (*header.size, is_jpeg, (is_jpeg or header.format == 'PNG')
            and header.mode in ('L', 'RGB', 'RGBA', 'P'))


def _jpeg_frame(raw: bytes) -> Optional[tuple[int, int, int]]:
    """Find a JPEG's frame header, as most sources are JPEG files.

    Pillow would parse EXIF and all other segments, a good part of the time
    that decoding a thumbnail takes.

    Returns:
        Width, height and number of colour components; None if they are not
        where they belong, or a sample has not 8 bits.
    """
    at = 2
    while at + 10 <= len(raw) and raw[at] == 0xff:
        marker = raw[at + 1]
        if marker == 0xff:  # a fill byte
            at += 1
        elif 0xc0 <= marker <= 0xcf and marker not in (0xc4, 0xc8, 0xcc):
            bits, height, width, components = struct.unpack_from(
                '>BHHB', raw, at + 4)
            return (width, height, components) if bits == 8 else None
        else:
            at += 2 + int.from_bytes(raw[at + 2:at + 4], 'big')
    return None


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
    width, height, is_jpeg, ordinary = _header(raw, path)
    if min(width, height) < MIN_SIDE:
        raise BadSourceError(
            path, f'{width}x{height} pixels; at least {MIN_SIDE} a side are '
            'needed')
    if width * height > MAX_PIXELS:
        raise BadSourceError(
            path, f'{width}x{height} pixels are more than the '
            f'{MAX_PIXELS} that may be decoded')
    scale = 1
    if is_jpeg and short_side:
        while scale < 8 and min(width, height) >= 2 * scale * short_side:
            scale *= 2
    # OpenCV is faster but fills what is missing of a truncated file with
    # grey, silently. So it only gets files that end as they should.
    complete = raw.endswith(b'\xff\xd9') if is_jpeg else \
        raw[-8:-4] == b'IEND'
    if complete and ordinary:
        img = cv2.imdecode(np.frombuffer(raw, np.uint8),
                           _REDUCED[scale] - cv2.IMREAD_COLOR + _COLOR)
        if img is not None:
            # In place: large images would need the memory twice.
            return cv2.cvtColor(img, cv2.COLOR_BGR2RGB, dst=img) \
                if _COLOR == cv2.IMREAD_COLOR else img
    return _decode_with_pillow(raw, path, scale)


def _decode_with_pillow(raw: bytes, path: str, scale: int) -> np.ndarray:
    image = _open_image(raw, path)
    try:
        image.seek(0)
        if scale > 1:
            image.draft(None, [side // scale for side in image.size])
        # In place, as it copies what needs no rotation otherwise.
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith('I'):
            # 16 bits a pixel, of which cameras often use 10 to 14; Pillow's
            # own conversion would clip to 255.
            gray = np.maximum(np.asarray(image), 0)
            shift = max(int(gray.max()).bit_length() - 8, 0)
            gray = (gray >> shift).astype(np.uint8)
            return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
        if image.mode == 'F':
            raise BadSourceError(
                path, 'floating-point pixels have no defined range; convert '
                'the file to 8 or 16 bits')
        image = image.convert('RGB')
        return np.array(image)
    except BadSourceError:
        raise
    except _PILLOW_ERRORS as error:
        raise BadSourceError(path, f'cannot be decoded: {error}') from error


class _DecoderLostError(BadSourceError):
    """The decoding process crashed, or had to be killed."""


class _Decoder:
    """The process that decodes videos for this thread."""

    def __init__(self) -> None:
        self._process: Optional[subprocess.Popen] = None
        self.described = ('none', '')

    @property
    def running(self) -> bool:
        """Whether the process was started and not seen to end."""
        return self._process is not None

    def start(self) -> None:
        """Start the process unless it runs."""
        if self.running:
            return
        self._connection, theirs = Pipe()
        # As a script it would have our folder, with its many short names,
        # before all others in sys.path.
        code = 'import runpy; runpy.run_path({!r}, run_name="__main__")'
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, '-c', code.format(decoder_process.__file__),
                 str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # FFmpeg prints a line for every damaged packet.
                stderr=subprocess.DEVNULL,
                env={**os.environ, 'OMP_NUM_THREADS': '1'})
        if not self._connection.poll(60):
            self._stop(0)
            raise RuntimeError('the process that decodes videos did not '
                               'start within a minute')
        self.described = self._connection.recv()

    def _stop(self, patience: float) -> str:
        process, self._process = self._process, None
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        process.kill()
        code = process.wait()
        return signal.Signals(-code).name if code < 0 else f'exit code {code}'

    def ask(self, request: Any, path: str) -> Any:
        """Send a request; return what was answered.

        Raises:
            BadSourceError: If the decoder refuses.
            _DecoderLostError: If it dies or is late.
        """
        self.start()
        try:
            self._connection.send(request)
            if not self._wait():
                self._stop(0)
                raise _DecoderLostError(
                    path, f'decoding took more than {VIDEO_SECONDS:g} s '
                    '(the environment variable MOSI_VIDEO_SECONDS)')
            answer = self._connection.recv()
            if isinstance(answer, tuple) and answer[1] is None:
                frames = np.empty(answer[0], np.uint8)
                self._connection.recv_bytes_into(memoryview(frames).cast('B'))
                return frames
        except (EOFError, ConnectionError) as error:
            # It is over in an instant; a kill would hide how.
            raise _DecoderLostError(
                path, f'the decoder died of it ({self._stop(2)})') from error
        except BaseException:
            # Interrupted: what comes late must not answer the next request.
            if self.running:
                self._stop(0)
            raise
        if isinstance(answer, str):
            raise BadSourceError(path, f'cannot be decoded: {answer}')
        return answer

    def _wait(self) -> bool:
        """Wait for the answer while the process works at it.

        What counts is the time it has computed, and the time for which it
        has stood still: a busy machine must not make good files bad.
        """
        start = worked = self._cpu_seconds()
        since = time.monotonic()
        while not self._connection.poll(0.5):
            used, now = self._cpu_seconds(), time.monotonic()
            if used > worked + 0.02:
                worked, since = used, now
            if max(used - start, now - since) > VIDEO_SECONDS:
                return False
        return True

    def _cpu_seconds(self) -> float:
        # Linux' number for the clock of all threads of another process.
        try:
            return time.clock_gettime(~self._process.pid << 3 | 2)
        except OSError:
            return 0.0  # it is over


# A thread must not get the answers to another one, nor a forked worker
# those to its parent.
_local = threading.local()
os.register_at_fork(after_in_child=lambda: _local.__dict__.clear())


def _decoder() -> _Decoder:
    if not hasattr(_local, 'decoder'):
        _local.decoder = _Decoder()
    return _local.decoder


def video_decoder() -> tuple[str, str]:
    """Return name and version of what decodes videos here.

    Returns:
        Such as ``('decord', '0.6.0')``; ``('none', '')`` if nothing does.
    """
    decoder = _decoder()
    decoder.start()
    return decoder.described


class Video:
    """A video, decoded in another process that may crash, hang or swell.

    Decord decodes; where it is not installed (it has no wheel but for
    x86-64) PyAV does. One video is open at a time.

    Args:
        path: The video file.
        backend_args: Of MMEngine's file backend; None is the local disk.

    Attributes:
        num_frames: As the file has it, which need not be true.
        fps: Average frame rate in Hz.

    Raises:
        BadSourceError: If it cannot be opened or has no frame.
    """

    def __init__(self, path: str,
                 backend_args: Optional[dict] = None) -> None:
        self.path = path
        try:
            _check_local(path, sys.maxsize)
            with fileio.get_local_path(path, backend_args) as local:
                if not os.path.getsize(local):
                    raise BadSourceError(path, 'the file is empty')
                with open(local, 'rb'):
                    pass  # decord does not say that it may not
                self.num_frames, self.fps = self._open(local)
        except OSError as error:
            raise BadSourceError(path, error.strerror or str(error)) \
                from error
        if not self.num_frames:
            raise BadSourceError(path, 'the video has no frame')

    def _open(self, local: str) -> tuple:
        request = os.path.abspath(local)
        running = _decoder().running
        try:
            return _decoder().ask(request, self.path)
        except _DecoderLostError:
            if not running:
                raise
            # The video before this one may have been what killed it.
            return _decoder().ask(request, self.path)

    def read(self, indices: Iterable[int]) -> np.ndarray:
        """Return frames: (N, H, W, 3) uint8 RGB.

        Raises:
            BadSourceError: If one of them cannot be decoded.
        """
        indices = [int(i) for i in indices]
        # In parts, as the decoder's memory is limited.
        parts = [_decoder().ask(indices[i:i + 8], self.path)
                 for i in range(0, len(indices), 8)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]


def read_frame(path: str, choose: Callable[[int], int],
               backend_args: Optional[dict] = None) -> np.ndarray:
    """Decode one frame of a video.

    Files often have fewer frames than they say, or a damaged one. If the
    chosen frame cannot be decoded, one is chosen from those before it, and
    at last the first one is tried.

    Args:
        path: The video file.
        choose: Called with the number of frames; returns an index.
        backend_args: Of MMEngine's file backend; None is the local disk.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        BadSourceError: If there is no frame that can be decoded there.
    """
    video = Video(path, backend_args)
    total = video.num_frames
    for attempt in range(3):
        index = choose(total)
        try:
            img = video.read([index])[0]
            break
        except BadSourceError as error:
            if not index or isinstance(error, _DecoderLostError):
                raise
            total = index if attempt == 0 else 1
    if min(img.shape[:2]) < MIN_SIDE:
        raise BadSourceError(
            path, f'{img.shape[1]}x{img.shape[0]} pixels; at least '
            f'{MIN_SIDE} a side are needed')
    return img
