"""Reusable shared memory for batches sent from a worker to the trainer.

A batch in new shared memory costs its worker a new page for every 4 KiB,
which the kernel zeroes on first access: this takes longer than rendering the
clips. So a worker keeps the memory of its batches. Each batch has a *slot*,
and the worker reuses a slot only when nothing refers to its batch any more:
no tensor or array of the trainer or of the worker.

Slots are anonymous files (``memfd_create``): they have no name that could be
left behind, they do not count against the size of ``/dev/shm``, and they are
freed with the last process that has them open, however it ends. On systems
without them, torch sends batches in its usual way.

A slot starts with a page of two flags, each of which has one writer at a
time: *taken*, set by the worker when it sends a batch and cleared by the
trainer when the last reference to the batch is gone; and *known*, set by the
trainer when it has mapped the slot, which then need not be sent again.
"""

import errno
import functools
import math
import mmap
import multiprocessing
import os
import threading
import weakref
from collections.abc import Sequence
from multiprocessing import reduction
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch
from torch.multiprocessing.reductions import reduce_tensor
from torch.utils.data import get_worker_info

from .malloc import keep_small_blocks

_HEADER = mmap.PAGESIZE
_TAKEN, _KNOWN = 0, 1
_SHM = '/dev/shm'

#: Longest time from the end of a worker's sockets to its own, in seconds.
_LAST_BREATH = 10

#: Number of batches after which an unused slot is freed.
_PATIENCE = 50


class _Slot:
    """Memory of one batch, in the worker that writes it."""

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.size = size
        self.used_at = 0
        self.users: list[weakref.ref] = []
        self.file = os.memfd_create(f'mosi_batch_{number}', os.MFD_CLOEXEC)
        weakref.finalize(self, os.close, self.file)
        # Allocate pages now: a lack of memory is an error here, but on first
        # access it would be a signal that kills the process.
        os.posix_fallocate(self.file, 0, _HEADER + size)
        self.memory = mmap.mmap(self.file, _HEADER + size)

    def is_free(self) -> bool:
        """Return whether nothing refers to the last batch."""
        self.users = [user for user in self.users if user() is not None]
        return not self.users and not self.memory[_TAKEN]

    def array(self, start: int, size: int) -> np.ndarray:
        """Return some bytes; the slot is not free while they are in use."""
        array = np.frombuffer(self.memory, np.uint8, size, _HEADER + start)
        # Every view and every tensor of the array refers to it.
        self.users.append(weakref.ref(array))
        return array


class _Worker:
    """The slots of a worker process."""

    def __init__(self) -> None:
        self.slots: dict[int, _Slot] = {}
        self.batches = 0
        self.lock = threading.Lock()
        #: Memory for the samples of the current batch.
        self.slot: _Slot | None = None
        self.start = 0
        #: Size of the last batch in bytes, used as a guess for the next one.
        self.size = 0

    def take(self, size: int) -> np.ndarray | None:
        """Return memory of the current batch, if there is room."""
        with self.lock:
            if self.slot is None and self.size:
                self.slot, self.start = self._free_slot(self.size), 0
            if self.slot is None or self.start + size > self.slot.size:
                return None
            array = self.slot.array(self.start, size)
            self.start += size
            return array

    def batch(
        self, samples: Sequence[torch.Tensor], channel: int
    ) -> torch.Tensor:
        """Return samples as one tensor in a slot, channels last in memory."""
        self.batches += 1
        samples = [x.movedim(channel, -1) for x in samples]
        size = samples[0].nbytes * len(samples)
        slot, self.slot = self.slot, None
        start = None if slot is None else _run(samples, slot)
        if slot is None or start is None:
            slot, start = self._free_slot(size), 0
        array = slot.array(start, size)
        batch = torch.from_numpy(array).view(len(samples), *samples[0].shape)
        if batch.data_ptr() != samples[0].data_ptr():
            torch.stack(samples, out=batch)
        slot.used_at = self.batches
        self.size = size
        for old in list(self.slots.values()):
            if self.batches - old.used_at > _PATIENCE:
                del self.slots[old.number]
        batch = batch.movedim(-1, channel).as_subclass(_Kept)
        batch.slot, batch.begin = slot, start
        batch.numbers = tuple(self.slots)
        return batch

    def _free_slot(self, size: int) -> _Slot:
        for slot in self.slots.values():
            if slot.size >= size and slot.is_free():
                return slot
        number = max(self.slots, default=-1) + 1
        try:
            slot = _Slot(number, size)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.ENOMEM):
                raise
            raise MemoryError(
                f'no memory for a batch of {size / 2**20:.0f} MiB sent '
                f'from a worker to the trainer, besides {len(self.slots)} '
                'others: lower batch_size, num_workers or prefetch_factor of '
                'the data loader'
            ) from error
        slot.used_at = self.batches
        self.slots[number] = slot
        return slot


class _Kept(torch.Tensor):
    """A batch in a slot, until it is sent; its views are plain tensors."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    slot: _Slot
    begin: int
    numbers: tuple[int, ...]


def _send(batch: _Kept) -> tuple:
    slot = batch.slot
    if slot.memory[_TAKEN]:  # already sent: this time, torch's usual way
        return reduce_tensor(batch.as_subclass(torch.Tensor).clone())
    slot.memory[_TAKEN] = 1
    file = None if slot.memory[_KNOWN] else reduction.DupFd(slot.file)
    return _receive, (
        os.getpid(),
        slot.number,
        file,
        batch.begin,
        tuple(batch.shape),
        batch.stride(),
        batch.numbers,
    )


reduction.ForkingPickler.register(_Kept, _send)

#: In the trainer: the mapped slots of every worker, by number. They live as
#: long as the worker's Process object, which its data loader holds.
_mapped: 'weakref.WeakKeyDictionary[BaseProcess, dict[int, mmap.mmap]]' = (
    weakref.WeakKeyDictionary()
)


def _receive(
    pid: int,
    number: int,
    file: Any,
    start: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    numbers: tuple[int, ...],
) -> torch.Tensor:
    slots = _slots_of(pid)
    if file is None:
        assert slots is not None  # only who keeps a slot marks it as known
        memory = slots[number]
    else:
        descriptor = _detach(file, pid)
        try:
            memory = mmap.mmap(descriptor, 0)
        finally:
            os.close(descriptor)
        if slots is not None:
            slots[number] = memory
            memory[_KNOWN] = 1
    if slots is not None:
        for old in set(slots).difference(numbers):
            slots.pop(old, None)
    array = np.frombuffer(memory, np.uint8, math.prod(shape), _HEADER + start)
    weakref.finalize(array, _give_back, memory, os.getpid()).atexit = False
    return torch.from_numpy(array).as_strided(shape, strides)


def _detach(file: Any, pid: int) -> int:
    """Ask a worker for a descriptor.

    Raises:
        ConnectionError: If it does not answer. Most likely it has been
            killed. Its sockets close before its end is noticeable, and a data
            loader names a dead worker only once it is, so this waits first.
    """
    try:
        return file.detach()
    except (ConnectionError, FileNotFoundError, EOFError) as error:
        for process in multiprocessing.active_children():
            if process.pid == pid:
                process.join(_LAST_BREATH)
        raise ConnectionError(
            f"the data loader's worker {pid} ended, or closed its socket, "
            'before it had sent the memory of a batch: was it killed, '
            'perhaps for lack of memory?'
        ) from error


def _slots_of(pid: int) -> dict[int, mmap.mmap] | None:
    for process, slots in list(_mapped.items()):
        if process.pid == pid:
            return slots
    for process in multiprocessing.active_children():
        if process.pid == pid:
            return _mapped.setdefault(process, {})
    return None  # not our child: we would not learn when its slots end


def _give_back(memory: mmap.mmap, pid: int) -> None:
    # A process forked from the trainer has its own references; the worker
    # does not wait for those.
    if os.getpid() == pid:
        memory[_TAKEN] = 0


_worker: _Worker | None = None


def _here() -> _Worker | None:
    """Return the slots of this process, if it is a worker of a loader."""
    global _worker
    if get_worker_info() is None or not _has_memfd():
        return None
    if _worker is None:
        # Otherwise the images of a batch are returned to the kernel with it,
        # and the next ones need new pages: a tenth of the work.
        keep_small_blocks()
        _worker = _Worker()
    return _worker


def _after_fork() -> None:
    global _worker
    _worker = None
    _mapped.clear()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _has_memfd() -> bool:
    if not hasattr(os, 'memfd_create'):
        return False
    try:
        os.close(os.memfd_create('mosi_batch', os.MFD_CLOEXEC))
    except OSError:  # forbidden, or an old kernel
        return False
    return True


def empty_sample(shape: Sequence[int]) -> np.ndarray | None:
    """Return memory for one sample of the current batch.

    If all samples of a batch are made in such memory, in order, the batch is
    sent without a copy.

    Args:
        shape: Shape of the sample.

    Returns:
        A uint8, C-contiguous, uninitialised array. None outside a worker, and
        if the batch has no more room: then use your own memory.
    """
    worker = _here()
    array = None if worker is None else worker.take(math.prod(shape))
    return None if array is None else array.reshape(tuple(shape))


def stack_samples(
    samples: Sequence[torch.Tensor], channel: int
) -> torch.Tensor | None:
    """Stack samples in memory that is shared with the trainer.

    Args:
        samples: uint8 tensors of equal shape.
        channel: Axis that comes last in memory, negative.

    Returns:
        (B, ...), for the trainer; None outside a worker, and if the system
        has no such memory: then torch uses /dev/shm.

    Raises:
        MemoryError: If there is not enough for another batch.
    """
    worker = _here()
    if worker is None:
        _check_room(sum(sample.nbytes for sample in samples))
        return None
    return worker.batch(samples, channel)


def _check_room(size: int) -> None:
    """Refuse a batch that would fill /dev/shm and end in a signal."""
    info = get_worker_info()
    if info is None or not os.path.isdir(_SHM):
        return
    status = os.statvfs(_SHM)
    room = status.f_blocks * status.f_frsize
    free = status.f_bavail * status.f_frsize
    if room and (free < size or room < size * info.num_workers):
        raise MemoryError(
            f'{_SHM} has {room / 2**20:.0f} MiB, of which '
            f'{free / 2**20:.0f} are free; each of {info.num_workers} workers '
            f'needs {size / 2**20:.0f} for each batch, also for prefetched '
            'ones: enlarge it (docker run --shm-size=8g), or lower batch_size '
            'or num_workers of the data loader'
        )


def _run(samples: Sequence[torch.Tensor], slot: _Slot) -> int | None:
    """Return where the samples are in a slot, if they are contiguous."""
    one = samples[0].nbytes
    base = np.frombuffer(slot.memory, np.uint8, 1, _HEADER).ctypes.data
    start = samples[0].data_ptr() - base
    # A transform may have transposed a sample where it is.
    in_a_row = all(
        sample.is_contiguous() and sample.data_ptr() == base + start + i * one
        for i, sample in enumerate(samples)
    )
    if in_a_row and 0 <= start <= slot.size - one * len(samples):
        return start
    return None
