"""Make a sample's random stream reach every transform."""

import random

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from torch.utils.data import get_worker_info

from ..samplers.epoch_sampler import sample_rng


def results_rng(results: dict) -> np.random.Generator:
    """Return ``results['rng']``, made from ``sample_idx`` if missing.

    Args:
        results: Sample in a pipeline, to which the key ``rng`` is added.
    """
    if 'rng' not in results:
        results['rng'] = sample_rng(results.get('sample_idx', 0))
    return results['rng']


@TRANSFORMS.register_module()
class SeedSample(BaseTransform):
    """Make the sample's generator, and seed the global ones from it.

    This is the first step of every pipeline, also in fine-tuning: stock
    transforms draw from the generators of ``random`` and NumPy, and with an
    :class:`~mosi_mmaction.datasets.EpochSampler` their draws also become a
    function of (seed, epoch, index). Torch's generator is seeded in worker
    processes only: in the main process, training uses it (dropout), and
    samples must not disturb that.

    Required Keys:
        - sample_idx (int): Added by every dataset.
    Added Keys:
        - rng (numpy.random.Generator): Unless it exists already.
    """

    def transform(self, results: dict) -> dict:
        """Seed."""
        rng = results_rng(results)
        seeds = rng.integers(2**32, size=3).tolist()
        random.seed(seeds[0])
        np.random.seed(seeds[1])
        if get_worker_info() is not None:
            # torch.manual_seed would also queue a call, with a stack trace
            # that is never freed, in case this process ever uses a GPU.
            torch.default_generator.manual_seed(seeds[2])
        return results
