"""The sample's random stream, and how it reaches stock transforms."""

import random

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from torch.utils.data import get_worker_info

from ..samplers.epoch_sampler import sample_rng


def results_rng(results: dict) -> np.random.Generator:
    """Return the generator of a sample, which its dataset made.

    Args:
        results: Sample in a pipeline. If its dataset is not one of ours, it
            has no key ``rng``, which is then added, made from
            ``sample_idx`` in the same way.
    """
    if 'rng' not in results:
        results['rng'] = sample_rng(results.get('sample_idx', 0))
    return results['rng']


@TRANSFORMS.register_module()
class SeedSample(BaseTransform):
    """Seed the generators of stock transforms from that of the sample.

    This is the first step of every pipeline, also in fine-tuning: stock
    transforms draw from the generators of ``random`` and NumPy, and with an
    :class:`~mosi_mmaction.datasets.EpochSampler` their draws also become a
    function of (seed, epoch, index). Torch's generator is seeded in worker
    processes only: in the main process, training uses it (dropout), and
    samples must not disturb that.

    Required Keys:
        - rng (numpy.random.Generator): Added by our datasets.
        - sample_idx (int): Added by every dataset; used if there is no
          ``rng``.
    """

    def transform(self, results: dict) -> dict:
        """Seed."""
        rng = results_rng(results)
        # One at a time: the same numbers as an array of three, in less time.
        seeds = [int(rng.integers(2**32)) for _ in range(3)]
        random.seed(seeds[0])
        np.random.seed(seeds[1])
        if get_worker_info() is not None:
            # torch.manual_seed would also queue a call, with a stack trace
            # that is never freed, in case this process ever uses a GPU.
            torch.default_generator.manual_seed(seeds[2])
        return results
