"""Batches that continue across epochs."""

from collections.abc import Iterator

from mmaction.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler

from .epoch_sampler import EpochIndex, EpochSampler


@DATA_SAMPLERS.register_module()
class RoundBatchSampler(BatchSampler):
    """Drop one incomplete batch per round of epochs, not one per epoch.

    The authors' release does this, and it matters for large batches: with
    3570 videos and batches of 1024, ``drop_last`` drops 14 % in every epoch.
    Here the samples left at the end of an epoch start the first batch of the
    next one; they are dropped only at the end of a round. An epoch is still
    one visit to each sample, but its number of steps varies by one: a batch
    belongs to the epoch in which it is completed. If batches are larger than
    the dataset, some epochs have no step.

    Everything follows from (seed, epoch, number of processes), so a run
    resumed within a round continues to the bit, and each sample keeps the
    random stream of the epoch that visits it. In a config, instead of
    ``drop_last``::

        train_dataloader = dict(
            batch_size=48,
            sampler=dict(type='EpochSampler', shuffle=True),
            batch_sampler=dict(type='RoundBatchSampler', epochs=30),
            ...)
        train_cfg = dict(type='RoundTrainLoop', ...)

    Args:
        sampler: Sampler that gives the order of samples and the number of
            processes. Its ``round_up`` is ignored, as no process needs an
            extra sample.
        batch_size: Number of samples in a batch of one process.
        epochs: Number of epochs in a round.

    Raises:
        TypeError: If the sampler is not an EpochSampler.
        ValueError: If a length is not positive, or a whole round does not
            fill one batch.
    """

    sampler: EpochSampler

    def __init__(
        self, sampler: EpochSampler, batch_size: int, epochs: int
    ) -> None:
        if not isinstance(sampler, EpochSampler):
            raise TypeError(
                'RoundBatchSampler needs sampler=dict(type='
                f"'EpochSampler', ...), got {type(sampler).__name__}"
            )
        super().__init__(sampler, batch_size, drop_last=True)
        if epochs < 1:
            raise ValueError(
                f'batch_sampler.epochs={epochs}: a round has at least 1 epoch'
            )
        self.epochs = epochs
        self._total_batch = batch_size * sampler.world_size
        if not self.steps(epochs):
            raise ValueError(
                f'train_dataloader: {epochs} epochs of '
                f'{len(sampler.dataset)} samples do not fill one batch of '
                f'{self._total_batch} (batch_size={batch_size} on '
                f'{sampler.world_size} processes), and incomplete batches '
                'are dropped. Use more data, or a smaller batch with '
                '--cfg-options train_dataloader.batch_size=...'
            )

    def steps(self, epochs: int) -> int:
        """Return the number of steps of a run's first epochs.

        Args:
            epochs: Number of epochs, over any number of rounds.
        """
        rounds, rest = divmod(epochs, self.epochs)
        size = len(self.sampler.dataset)
        return (
            rounds * (self.epochs * size // self._total_batch)
            + rest * size // self._total_batch
        )

    def __len__(self) -> int:
        """Return the number of steps of the current epoch."""
        epoch = self.sampler.epoch
        return self.steps(epoch + 1) - self.steps(epoch)

    def __iter__(self) -> Iterator[list[EpochIndex]]:
        """Iterate over this process's batches of the current epoch."""
        epoch, size = self.sampler.epoch, len(self.sampler.dataset)
        begin = epoch - epoch % self.epochs  # of the round
        passed = self.steps(epoch) - self.steps(begin)
        # Positions count samples from the beginning of the round.
        first = passed * self._total_batch
        last = first + len(self) * self._total_batch
        visited = [
            index
            for past in range(first // size, -(-last // size))
            for index in self.sampler.order(begin + past)
        ]
        skipped = first % size
        mine = visited[skipped : skipped + last - first]
        mine = mine[self.sampler.rank :: self.sampler.world_size]
        for at in range(0, len(mine), self.batch_size):
            yield mine[at : at + self.batch_size]
