"""The shared memory in which the decoding process hands over frames.

New memory costs a page for every 4 KiB, which the kernel zeroes: for a clip
this takes as long as half of its decoding. So both processes keep memory, and
the decoding one writes into it again when no array refers to it any more.

The decoding process imports this module too, so it imports nothing from the
package.
"""

import mmap
import os
import socket
import weakref
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from itertools import chain

import numpy as np

#: Limit of the frames in one answer, in bytes.
MAX_ANSWER = 2**31

#: Limit of the unused memory that is kept, in bytes. Larger answers get memory
#: that is freed with their arrays.
KEPT = 2**26

# Kept memory holds an answer of at least this share of its size, as a frame
# that is in use for long occupies all of it.
_SHARE = 1 / 4

_PIXEL = np.dtype('V3')
_FLAGS = mmap.MAP_SHARED | mmap.MAP_POPULATE

# Number of forks so far. A forked process refers to the arrays that exist, and
# this process does not learn when it no longer does.
_forks = 0


def _count_forks() -> None:
    global _forks
    _forks += 1


os.register_at_fork(before=_count_forks)


class FrameWriter:
    """The memory of the decoding process."""

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}
        self._last = 0

    def forget(self, numbers: Collection[int]) -> None:
        """Release memory that the client no longer keeps."""
        for number in numbers:
            del self._maps[number]

    def write(
        self,
        images: Iterator[np.ndarray],
        places: Sequence[int],
        free: Collection[int],
    ) -> tuple[tuple, int, int | None]:
        """Write images, all of one size.

        Args:
            images: (H, W, 3) uint8, each valid until the next.
            places: Number of the image for every place in the whole array.
            free: Numbers of the kept memory that may be overwritten.

        Returns:
            Shape of the whole array; number of the memory, 0 if it is not
            kept; and its handle if it is new, which must be closed.

        Raises:
            ValueError: If the images exceed ``MAX_ANSWER``.
        """
        first = next(images)
        count = len(places)
        shape = count, *first.shape
        size = count * first.nbytes
        if size > MAX_ANSWER:
            raise ValueError(
                f'{count} frames of {first.shape[1]}x{first.shape[0]} pixels '
                f'take {size / 2**20:.0f} MiB, and at most '
                f'{MAX_ANSWER / 2**20:.0f} are read at a time: scale the '
                'video down, or take fewer clips or frames of it'
            )
        fitting = [
            (len(self._maps[number]), number)
            for number in free
            if size <= len(self._maps[number]) <= size / _SHARE
        ]
        if fitting:
            number = min(fitting)[1]
            _fill(self._maps[number], shape, chain([first], images), places)
            return shape, number, None
        handle = os.memfd_create('frames', os.MFD_CLOEXEC)
        try:
            os.ftruncate(handle, size)
            memory = mmap.mmap(handle, size, flags=_FLAGS)
            _fill(memory, shape, chain([first], images), places)
        except BaseException:
            os.close(handle)
            raise
        if size > KEPT:
            return shape, 0, handle
        self._last += 1
        self._maps[self._last] = memory
        return shape, self._last, handle


def _fill(
    memory: mmap.mmap,
    shape: tuple,
    images: Iterator[np.ndarray],
    places: Sequence[int],
) -> None:
    frames = _array(memory, shape)
    users: dict[int, list[int]] = {}
    for place, n in enumerate(places):
        users.setdefault(n, []).append(place)
    # Whole pixels: rotated images are copied in less than half of the time.
    pixels = frames.view(_PIXEL)
    for n, image in enumerate(images):
        first, *others = users[n]
        pixels[first] = image.view(_PIXEL)
        for place in others:
            frames[place] = frames[first]


def _array(memory: mmap.mmap, shape: tuple) -> np.ndarray:
    return np.frombuffer(memory, np.uint8, int(np.prod(shape))).reshape(shape)


class FrameReader:
    """The memory of one decoding process, in its client."""

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}
        self._free: list[int] = []  # the least recently used first
        # Numbers of memory whose arrays are gone, and the count of forks when
        # they were made. Arrays can end in any thread.
        self._ended: deque[tuple[int, int]] = deque()

    def offer(self) -> tuple[list[int], list[int]]:
        """Return what the decoding process may do with its memory.

        Returns:
            Numbers of the memory that it may overwrite, and of that which it
            must release.
        """
        gone: list[int] = []
        while self._ended:
            number, forks = self._ended.popleft()
            (self._free if forks == _forks else gone).append(number)
        size = sum(len(self._maps[number]) for number in self._free)
        while size > KEPT:
            gone.append(self._free.pop(0))
            size -= len(self._maps[gone[-1]])
        for number in gone:
            del self._maps[number]
        return self._free, gone

    def receive(
        self, shape: tuple, number: int, handles: socket.socket | None
    ) -> np.ndarray:
        """Return frames that were written.

        Args:
            shape: Shape of the array.
            number: Number of the memory; 0 if it is not kept.
            handles: Socket with the handle of new memory; None if it is known.

        Returns:
            (N, H, W, 3) uint8. It and its views keep the memory.
        """
        if handles is None:
            self._free.remove(number)
            memory = self._maps[number]
        else:
            _, (handle,), *_ = socket.recv_fds(handles, 1, 1)
            try:
                memory = mmap.mmap(handle, 0, flags=_FLAGS)
            finally:
                os.close(handle)
        frames = _array(memory, shape)
        if number:
            self._maps[number] = memory
            # Every view refers to this array, whose own base is no array.
            ended = weakref.finalize(
                frames.base, self._ended.append, (number, _forks)
            )
            ended.atexit = False
        return frames
