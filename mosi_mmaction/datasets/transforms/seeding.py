"""Make a sample's random stream reach every transform."""

import random

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from torch.utils.data import get_worker_info

from ..samplers.epoch_sampler import sample_rng


def results_rng(results: dict) -> np.random.Generator:
    """Return ``results['rng']``, made from ``sample_idx`` where absent.

    Args:
        results: A sample on its way through a pipeline. Gains the key
            ``rng``.
    """
    if 'rng' not in results:
        results['rng'] = sample_rng(results.get('sample_idx', 0))
    return results['rng']


@TRANSFORMS.register_module()
class SeedSample(BaseTransform):
    """Make the sample's generator, and seed the global ones from it.

    The head of every pipeline, fine-tuning included: the stock transforms
    draw from the generators of ``random`` and NumPy, and with an
    :class:`~mosi_mmaction.datasets.EpochSampler` their draws become a
    function of (seed, epoch, index) as well. Torch's generator is seeded in
    worker processes only: in the main process it drives the training
    (dropout), which samples must not disturb.

    Required Keys:
        - sample_idx (int): Put there by every data set.
    Added Keys:
        - rng (numpy.random.Generator): If it is not there yet.
    """

    def transform(self, results: dict) -> dict:
        """Seed."""
        rng = results_rng(results)
        seeds = rng.integers(2**32, size=3).tolist()
        random.seed(seeds[0])
        np.random.seed(seeds[1])
        if get_worker_info() is not None:
            # torch.manual_seed would also note, with a stack trace and for
            # ever, what to do should this process ever use a GPU.
            torch.default_generator.manual_seed(seeds[2])
        return results
