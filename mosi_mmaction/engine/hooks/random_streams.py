"""Seed every iteration, so that a resumed run continues the same streams."""

import random
from typing import Any

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook


@HOOKS.register_module()
class StreamHook(Hook):
    """Make all randomness a function of (seed, iteration, rank).

    MMEngine's checkpoints do not contain the state of random generators, so a
    resumed run would draw other dropout masks. This hook seeds all generators
    of the process before every iteration; samples have their own streams, see
    :class:`~mosi_mmaction.EpochSampler`.

    A resumed run also gets the sampler seed of the original run. MMEngine
    builds the sampler before it knows which run it resumes, and draws another
    seed if none was given or ``diff_rank_seed`` is set.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner) -> None:
        """Give the sampler and the message hub, which is saved, one seed."""
        hub = runner.message_hub
        loader = runner.train_dataloader
        sampler = getattr(loader.batch_sampler, 'sampler', loader.sampler)
        if 'stream_seed' not in hub.runtime_info:
            hub.update_info(
                'stream_seed', int(getattr(sampler, 'seed', runner.seed))
            )
        self.seed = hub.get_info('stream_seed')
        if getattr(sampler, 'seed', self.seed) != self.seed:
            sampler.seed = self.seed
            restart_iterator(runner.train_loop)

    def before_train_iter(
        self, runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Seed the generators.

        Done per iteration because the data loader draws when an epoch starts.
        """
        stream = np.random.SeedSequence(
            (self.seed, runner.iter, get_rank())
        ).generate_state(3)
        random.seed(int(stream[0]))
        np.random.seed(stream[1])
        torch.manual_seed(int(stream[2]))


def restart_iterator(loop) -> None:
    """Begin anew with the data of a loop that counts iterations.

    Its iterator is made with the loop, and its workers begin at once.
    """
    iterator = getattr(loop, 'dataloader_iterator', None)
    if iterator is not None:
        loop.dataloader_iterator = type(iterator)(loop.dataloader)
