"""The cost of getting a batch to the trainer, by process."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from ..structures.batch import mosi_collate

_WARM_UP = 8


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process (Linux)."""
    total = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/schedstat') as file:
            total += int(file.read().split()[0])
    return total / 1e9


def _settled(pid: int) -> float:
    """Wait until a worker has finished prefetching; return its CPU time."""
    before, now = -1.0, cpu_seconds(pid)
    while now - before > 1e-3:
        time.sleep(0.1)
        before, now = now, cpu_seconds(pid)
    return now


class Arrival:
    """A data loader with one worker, measured from outside.

    Args:
        dataset: Dataset of packed samples.
        indices: Endless iterator of the indices to load.
        batch_size: Number of images per batch.
        collate: ``collate_fn`` of the loader.
    """

    def __init__(
        self,
        dataset: Dataset,
        indices: Iterator[int],
        batch_size: int,
        collate: Callable[[list], Any] = mosi_collate,
    ) -> None:
        self.batch_size = batch_size
        self._batches = iter(
            DataLoader(
                dataset,
                batch_size,
                sampler=indices,
                num_workers=1,
                collate_fn=collate,
            )
        )
        self._worker = self._batches._workers[0].pid
        self._copy: torch.Tensor | None = None
        for _ in range(_WARM_UP):
            self._take()

    def _take(self) -> None:
        """Take a batch and read it once, as an upload to a device does."""
        inputs = next(self._batches)['inputs']
        if self._copy is None:
            self._copy = torch.empty_like(inputs)
        self._copy.copy_(inputs)

    def measure(self, batches: int) -> tuple[float, float]:
        """Return CPU seconds per image of the worker and of this process.

        Args:
            batches: Number of batches to take.
        """
        worker, trainer = _settled(self._worker), time.process_time()
        for _ in range(batches):
            self._take()
        trainer = time.process_time() - trainer
        images = batches * self.batch_size
        return (_settled(self._worker) - worker) / images, trainer / images

    def close(self) -> None:
        """End the worker."""
        del self._batches
