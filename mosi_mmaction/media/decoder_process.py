"""The child process in which videos are decoded; run as a script.

Damaged videos can make C code crash, abort or hang, and large ones can use up
the memory. Whatever happens here, the training process continues: see
:mod:`mosi_mmaction.media.decoder_client`, which starts this file. It imports
nothing from the package, because starting would then take seconds.
"""

import ctypes
import importlib
import os
import re
import resource
import signal
import socket
import sys
import time
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

#: Limit of private memory in bytes; exceeding it ends the process.
MAX_MEMORY = 2**30

#: Module and class of each decoder, in the order in which they are tried.
DECODERS = {
    'pyav': ('pyav_reader', 'PyAVReader'),
    'decord': ('decord_reader', 'DecordReader'),
}

_PR_SET_PDEATHSIG = 1

# Seconds between two progress reports.
_LIFE = 0.2


class _DecoderError(Exception):
    """The installation or the choice of decoder is at fault, not a file."""


class _Server:
    """Answers requests; one video is open at a time."""

    def __init__(self, connection: Connection, handles: socket.socket) -> None:
        self._connection = connection
        self._handles = handles
        self._memory = _neighbour('frame_memory').FrameWriter()
        self._classes: dict[str, Any] = {}
        self._key: tuple | None = None
        self._reader: Any = None
        # Results that required decoding a whole file.
        self._counted: dict[tuple, Any] = {}
        self._told = 0.0

    def tick(self) -> None:
        """Report progress to the client."""
        if time.monotonic() > self._told + _LIFE:
            self._told = time.monotonic()
            self._connection.send(('busy',))

    def serve(self) -> None:
        """Answer requests until the client is gone.

        A request consists of its kind, a path, the name of a decoder or None,
        an argument, and the numbers of the frame memory that may be
        overwritten and of that to release. Every request names its file, so
        that a file opened before cannot answer for it. Answers: ``('opened',
        facts)``; ``('frames', index, shape, number, new)``, followed by the
        handle of the memory if it is new; ``('refused', reason)``;
        ``('unusable', reason)`` if no decoder can be used; and ``('busy',)``
        before any of them.
        """
        while True:
            what, path, decoder, argument, free, gone = self._connection.recv()
            self._memory.forget(gone)
            self._told = time.monotonic()
            answer: tuple
            handle = None
            try:
                key, reader = self._open(path, decoder)
                if what == 'open':
                    answer = 'opened', _facts(reader)
                elif what == 'inspect':
                    answer = (
                        'opened',
                        _facts(reader) | dict(decoded_frames=reader.count()),
                    )
                else:
                    if what == 'keyframe':
                        index, image = reader.read_keyframe(argument)
                        images, places = iter([image]), [0]
                        about = index, _kind(reader)
                    else:
                        indices = sorted({*argument})
                        images = reader.read(indices)
                        number = {i: n for n, i in enumerate(indices)}
                        places = [number[i] for i in argument]
                        about = None
                    shape, memory, handle = self._memory.write(
                        images, places, free
                    )
                    answer = (
                        'frames',
                        about,
                        *(shape, memory, handle is not None),
                    )
                if what != 'keyframe' and not reader.seeks:
                    self._counted[key] = reader.num_frames
            except _DecoderError as error:
                answer = 'unusable', str(error)
            # Any error of a decoder is attributed to the file.
            except Exception as error:
                answer = 'refused', _reason(error, path)
                # A reader that has failed once may fail again.
                self._key = self._reader = None
            self._connection.send(answer)
            if handle is not None:
                socket.send_fds(self._handles, [b'.'], [handle])
                os.close(handle)

    def _open(self, path: str, decoder: str | None) -> tuple[tuple, Any]:
        """Return the key of a file as it is now, and its reader."""
        status = os.stat(path)
        key = (
            *(path, decoder, status.st_dev, status.st_ino),
            *(status.st_size, status.st_mtime_ns),
        )
        if self._key != key:
            self._key = self._reader = None  # frees the memory of the last one
            self._reader = self._choose(path, decoder)
            if key in self._counted:
                self._reader.know_count(self._counted[key])
            self._key = key
        return key, self._reader

    def _choose(self, path: str, decoder: str | None) -> Any:
        """Return the reader of a file: the forced one, or the first to load.

        PyAV reads every file, and seeks if the result is proven right; decord
        is slower and only used if it is requested, or if only it loads.
        """
        failed = []
        for name in [decoder] if decoder else DECODERS:
            reader = self._class(name)
            if isinstance(reader, str):
                failed.append(f'{name} does not load ({reader})')
            elif name == 'decord':
                judge = self._class('pyav')
                judge = None if isinstance(judge, str) else judge
                return reader(path, self.tick, judge)
            else:
                return reader(path, self.tick)
        raise _DecoderError('; '.join(failed))

    def _class(self, name: str) -> Any:
        if name not in self._classes:
            self._classes[name] = _load(name)
        return self._classes[name]


def _load(name: str) -> Any:
    """Return the class of a decoder, or the reason why it does not load."""
    module, kind = DECODERS[name]
    try:
        loaded = _neighbour(module)
    # A broken library may raise anything, mostly OSError.
    except Exception as error:
        return f'{type(error).__name__}: {error}'
    return getattr(loaded, kind)


def _neighbour(module: str) -> ModuleType:
    """Import a module next to this one."""
    # Treat the directory as a package of its own: its modules import each
    # other and nothing that takes seconds to import.
    package = sys.modules.setdefault('readers', ModuleType('readers'))
    package.__path__ = [os.path.dirname(__file__)]
    return importlib.import_module(f'readers.{module}')


def _facts(reader: Any) -> dict:
    return _kind(reader) | dict(
        num_frames=reader.num_frames,
        fps=reader.fps,
        pixels=reader.num_pixels,
        header_frames=reader.header_frames,
    )


def _kind(reader: Any) -> dict:
    return dict(
        decoder=reader.name,
        container=reader.container,
        codec=reader.codec,
        seeks=reader.seeks,
    )


def _reason(error: Exception, path: str) -> str:
    """Remove times, source lines and stack traces from a message."""
    message = str(error).strip().split('\n')[0] or repr(error)
    noise = (
        r'\[[\d:]+\] \S+:\d+: |Check failed: .*? vs\. -?\d+\) '
        r'|\[/.*?\] |\[Errno -?\d+\] '
    )
    message = re.sub(noise, '', message)
    return re.sub(rf": '?(file:)?{re.escape(path)}'?", '', message)


def main(parent: int, handle: int) -> None:
    """Serve the process that started this one, and die with it."""
    # The kernel's signal arrives even during a computation; a closed
    # connection would only be noticed at the next request.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return  # the parent has already ended
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    # Write no core file for every broken video.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(handle)
    handles = socket.socket(fileno=os.dup(handle))
    connection.send('ready')
    # FFmpeg prints a line for every damaged packet.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        _Server(connection, handles).serve()
    except (EOFError, ConnectionError):
        pass  # the client is gone


if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]))
