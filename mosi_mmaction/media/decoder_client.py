"""Client of the process that decodes videos: see :func:`ask`."""

import contextlib
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

from . import decoder_process
from .errors import BadSourceError
from .frame_memory import FrameReader

#: A video is refused if its decoder spends more seconds than this, computing
#: or idle, without opening it or decoding eight frames.
VIDEO_SECONDS = float(os.environ.get('MOSI_VIDEO_SECONDS', 8))

#: Package of each decoder.
PACKAGES = {'pyav': 'av', 'decord': 'decord'}

_START = (
    # Import nothing from the working directory, which may have a random.py.
    'import sys; sys.path[:] = [p for p in sys.path if p]; import runpy; '
    'runpy.run_path({!r}, run_name="__main__")'
)


class DecoderLostError(BadSourceError):
    """The decoding process had to be killed, or crashed twice."""


class _DiedError(Exception):
    """The decoding process exited on its own."""


def check_decoder(name: str | None, key: str = 'decoder') -> str | None:
    """Return the decoder to force, or None.

    Args:
        name: ``'pyav'``, ``'decord'``, or None to use the environment
            variable ``MOSI_DECODER``.
        key: Name of the argument, for the message.

    Raises:
        ValueError: If there is no such decoder.
    """
    if name is None:
        key, name = 'MOSI_DECODER', os.environ.get('MOSI_DECODER') or None
    if name not in (None, *PACKAGES):
        raise ValueError(
            f'{key}={name!r}: allowed are {sorted(PACKAGES)}, or no value to '
            'choose for each file'
        )
    return name


def video_decoder(decoder: str | None = None) -> tuple[str, str]:
    """Return name and version of the video decoder.

    No process is started.

    Args:
        decoder: Decoder that a config forces, or None.

    Returns:
        For example ``('pyav', '18.1.0')``; ``('none', '')`` if no decoder is
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
        #: Whether the process was started and is not known to have ended.
        self.running = False

    @property
    def pid(self) -> int:
        """ID of the process that was started last."""
        return self._process.pid

    def start(self) -> None:
        """Start the process unless it is running.

        Raises:
            RuntimeError: If it does not start; with its last output.
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
        self._memory = FrameReader()
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
            patience: Number of seconds that the process has to exit on its
                own.
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
        """Send a request; return the answer. See :func:`ask`."""
        fresh = not self.running
        try:
            return self._ask(request, path)
        except _DiedError as error:
            # The previous video may have been the cause.
            if not fresh:
                with contextlib.suppress(_DiedError):
                    return self._ask(request, path)
            raise DecoderLostError(
                path, f'the decoder crashed on this file ({error})'
            ) from error

    def _ask(self, request: tuple, path: str) -> Any:
        self.start()
        try:
            self._connection.send((*request, *self._memory.offer()))
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
                about, shape, number, new = answer
                handles = self._handles if new else None
                return self._memory.receive(shape, number, handles), about
        except (EOFError, ConnectionError) as error:
            # It ends in an instant; a kill would hide the cause.
            raise _DiedError(self.stop(2)) from error
        except BaseException:
            # Interrupted: a late answer must not be taken for the next one.
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
        """Wait for an answer while the process makes progress.

        Only the time it has computed and the time it has been idle count, so
        that a busy machine, or a job that is suspended for a while (Ctrl-Z,
        Slurm), does not make good files bad.
        """
        start = worked = self._cpu_seconds()
        last, idle = time.monotonic(), 0.0
        while not self._connection.poll(0.5):
            used, now = self._cpu_seconds(), time.monotonic()
            idle += min(now - last, 1)
            last = now
            if used > worked + 0.02:
                worked, idle = used, 0.0
            if max(used - start, idle) > VIDEO_SECONDS:
                return False
        return True

    def _cpu_seconds(self) -> float:
        # Linux's clock ID for all threads of another process.
        try:
            return time.clock_gettime(~self._process.pid << 3 | 2)
        except OSError:
            return 0.0  # it has ended


# A thread must not get another thread's answers, nor a forked worker its
# parent's.
_local = threading.local()
os.register_at_fork(after_in_child=lambda: _local.__dict__.clear())


def ask(
    what: str,
    path: str,
    local: str,
    decoder: str | None = None,
    argument: Any = None,
) -> Any:
    """Send a request to the process that decodes for this thread.

    Args:
        what: Kind of request: ``'open'``, ``'inspect'``, ``'read'`` or
            ``'keyframe'``.
        path: Path of the video, for messages.
        local: Its path on the local disk.
        decoder: Decoder to force, or None.
        argument: Indices for ``'read'``, a number in [0, 1) for
            ``'keyframe'``.

    Returns:
        A dict of facts; or frames, (N, H, W, 3) uint8 RGB in their own
        memory, and the index of the keyframe.

    Raises:
        BadSourceError: If the decoder refuses the file.
        DecoderLostError: If the process crashes or takes too long.
        RuntimeError: If no decoder can be used.
    """
    if not hasattr(_local, 'decoder'):
        _local.decoder = _Decoder()
    request = what, os.path.abspath(local), decoder, argument
    return _local.decoder.ask(request, path)


def decoder_pid() -> int | None:
    """Return the ID of the process that decodes for this thread.

    Returns:
        The process ID; None if no process is running.
    """
    decoder: _Decoder | None = getattr(_local, 'decoder', None)
    return decoder.pid if decoder is not None and decoder.running else None


def drop_decoder() -> None:
    """End the process that decodes for this thread; the next call starts one.

    It does nothing if no process is running.
    """
    if decoder_pid() is not None:
        _local.decoder.stop(0)
