"""The child process in which videos are decoded; run as a script.

Damaged videos make the C code of decord crash, abort or wait for ever, and
large ones eat the memory. Whatever happens here, the process that trains
goes on: see :mod:`mosi_mmaction.decode`, which starts this file. It imports
nothing of the package, as a start would take seconds then.
"""
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
            p.size > 0 for p in self._container.demux(self._stream))

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


def _open(path: str):
    try:
        import decord  # noqa: F401
    except ImportError:
        return _PyAV(path)
    return _Decord(path)


def _answer(video, indices: list) -> np.ndarray:
    frames = video.read(indices)
    if frames.shape[-1] != 3:
        # Decord does so where rows are shorter than its alignment.
        raise ValueError(f'{frames.shape[2]}x{frames.shape[1]} pixels are '
                         'too few for decord')
    return np.ascontiguousarray(frames)


def serve(connection: Connection) -> None:
    """Answer requests until the other side is gone.

    A request is a path, to open it, or a list of frame indices of the video
    that is open. Answers: ``(num_frames, fps)``; ``(shape, None)`` followed
    by the raw bytes; or an error as a string.
    """
    video = None
    connection.send('ready')
    while True:
        request = connection.recv()
        try:
            if isinstance(request, str):
                video = None  # frees what the last one held
                video = _open(request)
                answer = video.num_frames, video.fps
            else:
                frames = _answer(video, request)
                answer = frames.shape, None
        # Whatever a decoder raises is told; only the caller can know which
        # file it was.
        except Exception as error:
            connection.send(str(error) or repr(error))
            continue
        connection.send(answer)
        if answer[1] is None:
            connection.send_bytes(frames)


if __name__ == '__main__':
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY, MAX_MEMORY))
    # No core file for every broken video.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        serve(Connection(int(sys.argv[1])))
    except (EOFError, OSError):
        pass  # the process that asked is gone
