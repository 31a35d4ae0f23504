"""Ask the process that decodes videos: see :func:`ask`."""

import contextlib
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from . import decoder_process
from .errors import BadSourceError

#: A video is refused if its decoder computes for more seconds than this, or
#: stands still for as long, without opening it or decoding eight frames.
VIDEO_SECONDS = float(os.environ.get('MOSI_VIDEO_SECONDS', 8))

#: The packages behind the names of the decoders.
PACKAGES = {'pyav': 'av', 'decord': 'decord'}

_START = (
    # Not from the working directory, where a user may have a random.py.
    'import sys; sys.path[:] = [p for p in sys.path if p]; import runpy; '
    'runpy.run_path({!r}, run_name="__main__")'
)


class DecoderLostError(BadSourceError):
    """The decoding process had to be killed, or crashed twice."""


class _DiedError(Exception):
    """The decoding process ended by itself."""


def check_decoder(name: str | None, key: str = 'decoder') -> str | None:
    """Return the decoder to be forced, or None.

    Args:
        name: ``'pyav'``, ``'decord'``, or None for what the environment
            variable ``MOSI_DECODER`` says.
        key: Name of the argument, for the message.

    Raises:
        ValueError: If there is no such decoder.
    """
    if name is None:
        key, name = 'MOSI_DECODER', os.environ.get('MOSI_DECODER') or None
    if name not in (None, *PACKAGES):
        raise ValueError(
            f'{key}={name!r}: allowed are {sorted(PACKAGES)} and, to choose '
            'for each file, none'
        )
    return name


def video_decoder(decoder: str | None = None) -> tuple[str, str]:
    """Return name and version of what decodes videos here.

    No process is started.

    Args:
        decoder: The decoder that a config forces, or None.

    Returns:
        Such as ``('pyav', '18.1.0')``; ``('none', '')`` if nothing is
        installed.
    """
    forced = check_decoder(decoder)
    for name in [forced] if forced else PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            return name, version(PACKAGES[name])
    return 'none', ''


class _Decoder:
    """The process that decodes videos for this thread."""

    _process: subprocess.Popen

    def __init__(self) -> None:
        #: Whether the process was started and not seen to end.
        self.running = False

    @property
    def pid(self) -> int:
        """Number of the process that was started last."""
        return self._process.pid

    def start(self) -> None:
        """Start the process unless it runs.

        Raises:
            RuntimeError: If it does not start; with what it said.
        """
        if self.running:
            return
        ours, theirs = socket.socketpair()
        errors = os.memfd_create('errors')
        paths = os.environ.get('PYTHONPATH', '').split(os.pathsep)
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, '-c'),
                    _START.format(decoder_process.__file__),
                    *(str(os.getpid()), str(theirs.fileno())),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={
                    **os.environ,
                    'OMP_NUM_THREADS': '1',
                    'PYTHONSAFEPATH': '1',
                    # An empty entry is the working directory.
                    'PYTHONPATH': os.pathsep.join(p for p in paths if p),
                },
            )
        self.running = True
        self._handles = ours
        self._connection = Connection(os.dup(ours.fileno()))
        try:
            if not self._connection.poll(60):
                self.stop(0)
                raise RuntimeError(
                    'the process that decodes videos did not start within a '
                    'minute'
                )
            self._connection.recv()
        except (EOFError, ConnectionError) as error:
            code = self.stop(2)
            said = os.pread(errors, 2**16, 0).decode('utf-8', 'replace')
            last = said.strip().rpartition('\n')[2]
            raise RuntimeError(
                'the process that decodes videos ended as it started '
                f'({code}){": " if last else ""}{last}'
            ) from error
        finally:
            os.close(errors)

    def stop(self, patience: float) -> str:
        """End the process; return how it ended.

        Args:
            patience: Seconds in which it may end by itself.
        """
        self.running = False
        self._connection.close()
        self._handles.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._process.kill()
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f'exit code {code}'

    def ask(self, request: tuple, path: str) -> Any:
        """Send a request; return what was answered. See :func:`ask`."""
        fresh = not self.running
        try:
            return self._ask(request, path)
        except _DiedError as error:
            # The video before this one may have been what killed it.
            if not fresh:
                with contextlib.suppress(_DiedError):
                    return self._ask(request, path)
            raise DecoderLostError(
                path, f'the decoder crashed on it ({error})'
            ) from error

    def _ask(self, request: tuple, path: str) -> Any:
        self.start()
        try:
            self._connection.send(request)
            kind = 'busy'
            while kind == 'busy':
                if not self._wait():
                    self.stop(0)
                    raise DecoderLostError(
                        path,
                        f'decoding took more than {VIDEO_SECONDS:g} s '
                        '(the environment variable MOSI_VIDEO_SECONDS)',
                    )
                kind, *answer = self._connection.recv()
            if kind == 'frames':
                shape, index = answer
                return _mapped(self._handles, shape), index
        except (EOFError, ConnectionError) as error:
            # It is over in an instant; a kill would hide how.
            raise _DiedError(self.stop(2)) from error
        except BaseException:
            # Interrupted: what comes late must not answer the next request.
            if self.running:
                self.stop(0)
            raise
        if kind == 'refused':
            raise BadSourceError(path, f'cannot be decoded: {answer[0]}')
        if kind == 'unusable':
            raise RuntimeError(
                f'{path} cannot be read, as {answer[0]}. Install or repair '
                'it: pip install --force-reinstall av'
            )
        return answer[0]

    def _wait(self) -> bool:
        """Wait for an answer while the process works at it.

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


def _mapped(handles: socket.socket, shape: tuple) -> np.ndarray:
    """Receive a handle of shared memory; return the frames that are there."""
    data, (handle,), *_ = socket.recv_fds(handles, 1, 1)
    try:
        memory = mmap.mmap(
            handle,
            int(np.prod(shape)),
            flags=mmap.MAP_SHARED | mmap.MAP_POPULATE,
        )
    finally:
        os.close(handle)
    return np.frombuffer(memory, np.uint8).reshape(shape)


# A thread must not get the answers to another one, nor a forked worker
# those to its parent.
_local = threading.local()
os.register_at_fork(after_in_child=lambda: _local.__dict__.clear())


def ask(
    what: str,
    path: str,
    local: str,
    decoder: str | None = None,
    argument: Any = None,
) -> Any:
    """Ask the process that decodes for this thread.

    Args:
        what: ``'open'``, ``'inspect'``, ``'read'`` or ``'keyframe'``.
        path: Path of the video, for messages.
        local: Where it is on the local disk.
        decoder: The decoder to force, or None.
        argument: Sorted indices for ``'read'``, a number in [0, 1) for
            ``'keyframe'``.

    Returns:
        A dict of facts; or frames, (N, H, W, 3) uint8 RGB in memory of their
        own, and the index of the keyframe.

    Raises:
        BadSourceError: If the decoder refuses.
        DecoderLostError: If it dies or is late.
        RuntimeError: If no decoder can be used.
    """
    if not hasattr(_local, 'decoder'):
        _local.decoder = _Decoder()
    request = what, os.path.abspath(local), decoder, argument
    return _local.decoder.ask(request, path)


def decoder_pid() -> int | None:
    """Return the number of the process that decodes for this thread.

    Returns:
        None where none runs.
    """
    decoder = getattr(_local, 'decoder', None)
    running = decoder is not None and decoder.running
    return decoder.pid if running else None


def drop_decoder() -> None:
    """End the process that decodes for this thread; the next call starts one.

    Does nothing where none runs.
    """
    if decoder_pid() is not None:
        _local.decoder.stop(0)
