"""The child process in which videos are decoded; run as a script.

Damaged videos make the C code of decord crash, abort or wait for ever, and
large ones eat the memory. Whatever happens here, the process that trains
goes on: see :mod:`.decoder_client`, which starts this file. It imports
nothing of the package, as a start would take seconds then.
"""

import re
import resource
import sys
from multiprocessing.connection import Connection

import numpy as np

#: Bytes of private memory; more ends the process.
MAX_MEMORY = 2**30


class _Decord:
    def __init__(self, path: str) -> None:
        import decord

        # By path: handed an open file, decord crashes on truncated AVIs.
        self._reader = decord.VideoReader(path, num_threads=1)
        self.num_frames = len(self._reader)
        self.fps = float(self._reader.get_avg_fps())

    def read(self, indices: list) -> np.ndarray:
        return self._reader.get_batch(indices).asnumpy()


class _PyAV:
    def __init__(self, path: str) -> None:
        import av

        self._container = av.open(path)
        if not self._container.streams.video:
            raise ValueError('it has no video stream')
        self._stream = self._container.streams.video[0]
        self.fps = float(self._stream.average_rate or 0)
        # The container's own count is often absent, so packets are counted;
        # that decodes nothing.
        self.num_frames = sum(
            p.size > 0 for p in self._container.demux(self._stream)
        )

    def read(self, indices: list) -> np.ndarray:
        found, wanted = {}, set(indices)
        self._container.seek(0)
        for number, frame in enumerate(self._container.decode(self._stream)):
            if number in wanted:
                found[number] = frame.to_ndarray(format='rgb24')
            if len(found) == len(wanted):
                break
        missing = sorted(wanted - set(found))
        if missing:
            raise ValueError(f'frames {missing} are not there')
        return np.stack([found[i] for i in indices])


class _NoDecoder:
    def __init__(self, path: str) -> None:
        raise ValueError(
            'neither decord nor PyAV is installed: pip install '
            'decord, or pip install av where it has no wheel'
        )


def _choose() -> tuple:
    """Return the decoder's class, its name and its version."""
    try:
        import decord

        return _Decord, 'decord', decord.__version__
    except ImportError:
        pass
    try:
        import av

        return _PyAV, 'pyav', av.__version__
    except ImportError:
        return _NoDecoder, 'none', ''


def _reason(error: Exception) -> str:
    """Leave times, source lines and stack traces out of the message."""
    message = str(error).strip().split('\n')[0] or repr(error)
    noise = (
        r'\[[\d:]+\] \S+:\d+: |Check failed: .*? vs\. -?\d+\) '
        r'|\[/.*?\] '
    )
    return re.sub(noise, '', message)


def serve(connection: Connection) -> None:
    """Answer requests until the other side is gone.

    A request is a path, to open it, or a list of frame indices of the video
    that was opened last. Answers: ``(num_frames, fps)``; ``(shape, None)``
    followed by the raw bytes; or the reason of a failure as a string. The
    first thing sent is the name and the version of the decoder.
    """
    path = video = None
    decoder, *described = _choose()
    connection.send(tuple(described))
    while True:
        request = connection.recv()
        frames = None
        answer: tuple | str
        try:
            if isinstance(request, str):
                path, video = request, None  # frees what the last one held
            # A reader that has failed once goes on failing.
            video = video or decoder(path)
            if isinstance(request, str):
                answer = video.num_frames, video.fps
            else:
                frames = np.ascontiguousarray(video.read(request))
                answer = frames.shape, None
        # Whatever a decoder raises is passed on as the file's fault.
        except Exception as error:
            answer, video = _reason(error), None
        connection.send(answer)
        if frames is not None:
            connection.send_bytes(frames.data.cast('B'))


if __name__ == '__main__':
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    # No core file for every broken video.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, ConnectionError):
        pass  # the process that asked is gone
