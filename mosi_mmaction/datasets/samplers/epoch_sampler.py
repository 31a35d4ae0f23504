"""Random streams: a sample depends only on (seed, epoch, index).

Neither the number of workers, nor the rank that loads a sample, nor a resume
changes its stream. The sampler knows seed and epoch; the indices it yields
carry them to the dataset and into the pipeline.
"""

from collections.abc import Iterator

import numpy as np
import torch
from mmaction.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler
from torch.utils.data import get_worker_info


class EpochIndex(int):
    """A dataset index that also identifies the random stream of its sample.

    Args:
        value: Index in the dataset.
        seed: Seed of the run.
        epoch: Epoch, counted from 0.
        position: Index of the stream; ``value`` by default. It does not
            change when RepeatDataset (``%``) or ConcatDataset (``-``) turn
            the index into that of an inner dataset, so two visits to an
            image in one epoch differ.
    """

    seed: int
    epoch: int
    position: int

    def __new__(
        cls, value: int, seed: int, epoch: int, position: int | None = None
    ) -> 'EpochIndex':
        """Make an int with three attributes."""
        self = super().__new__(cls, value)
        self.seed = int(seed)
        self.epoch = int(epoch)
        self.position = int(value if position is None else position)
        return self

    def __reduce__(self):
        return EpochIndex, (int(self), self.seed, self.epoch, self.position)

    def moved(self, value: int) -> 'EpochIndex':
        """Return another index with the same stream."""
        return EpochIndex(value, self.seed, self.epoch, self.position)

    def __mod__(self, other):
        return self.moved(int(self) % other)

    def __sub__(self, other):
        return self.moved(int(self) - other)

    def rng(self) -> np.random.Generator:
        """Return a new generator for the sample's stream."""
        return np.random.default_rng((self.seed, self.epoch, self.position))


def sample_rng(index: int, test_mode: bool = False) -> np.random.Generator:
    """Return the generator of one sample; a dataset puts it into the sample.

    Args:
        index: Index of the sample, usually an :class:`EpochIndex`. A plain
            ``int``, from another sampler than :class:`EpochSampler`, is
            seeded from NumPy's global state, and in a worker also from the
            seed that its data loader drew for the epoch.
        test_mode: Whether the generator depends on the index alone, so that
            every validation sees the same draws.
    """
    if test_mode:
        index = EpochIndex(index, 0, 0)
    if isinstance(index, EpochIndex):
        return index.rng()
    words = np.random.randint(2**31, size=4).tolist()
    worker = get_worker_info()
    if worker is not None:
        # MMEngine gives NumPy the same seed in every epoch's new workers.
        words.append(worker.seed)
    return np.random.default_rng(words)


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """DefaultSampler whose indices carry seed and epoch.

    Arguments are those of :class:`mmengine.dataset.DefaultSampler`.
    """

    def __iter__(self) -> Iterator[EpochIndex]:
        """Iterate over this rank's indices of the current epoch."""
        for index in super().__iter__():
            yield EpochIndex(index, self.seed, self.epoch)

    def order(self, epoch: int) -> list[EpochIndex]:
        """Return the indices of a whole epoch, for all ranks.

        Args:
            epoch: Number of the epoch, counted from 0; it need not be the
                current one.
        """
        total = len(self.dataset)
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed + epoch)
            indices = torch.randperm(total, generator=generator).tolist()
        else:
            indices = list(range(total))
        return [EpochIndex(index, self.seed, epoch) for index in indices]
