"""Talk to the process that decodes videos, and outlive it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import Pipe
from typing import Any

import numpy as np

from . import decoder_process
from .errors import BadSourceError

#: A video is refused if its decoder computes for more seconds than this, or
#: stands still for as long, before it is open, or before it has eight frames.
VIDEO_SECONDS = float(os.environ.get('MOSI_VIDEO_SECONDS', 8))


class _DecoderLostError(BadSourceError):
    """The decoding process crashed, or had to be killed."""


class _Decoder:
    """The process that decodes videos for this thread."""

    _process: subprocess.Popen

    def __init__(self) -> None:
        #: Whether the process was started and not seen to end.
        self.running = False
        self.described = ('none', '')

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
                [
                    sys.executable,
                    '-c',
                    code.format(decoder_process.__file__),
                    str(theirs.fileno()),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # FFmpeg prints a line for every damaged packet.
                stderr=subprocess.DEVNULL,
                env={**os.environ, 'OMP_NUM_THREADS': '1'},
            )
            self.running = True
        if not self._connection.poll(60):
            self._stop(0)
            raise RuntimeError(
                'the process that decodes videos did not start within a minute'
            )
        try:
            self.described = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise RuntimeError(
                'the process that decodes videos ended as it started '
                f'({self._stop(2)})'
            ) from error

    def _stop(self, patience: float) -> str:
        self.running = False
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._process.kill()
        code = self._process.wait()
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
                    path,
                    f'decoding took more than {VIDEO_SECONDS:g} s '
                    '(the environment variable MOSI_VIDEO_SECONDS)',
                )
            answer = self._connection.recv()
            if isinstance(answer, tuple) and answer[1] is None:
                frames = np.empty(answer[0], np.uint8)
                self._connection.recv_bytes_into(frames.data.cast('B'))
                return frames
        except (EOFError, ConnectionError) as error:
            # It is over in an instant; a kill would hide how.
            raise _DecoderLostError(
                path, f'the decoder died of it ({self._stop(2)})'
            ) from error
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
