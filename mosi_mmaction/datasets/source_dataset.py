"""Base class of datasets of source images."""

from collections.abc import Callable, Sequence

import numpy as np
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from .samplers.epoch_sampler import EpochIndex, sample_rng
from .transforms.motion import PLAN_STEPS


class SourceDataset(Dataset):
    """Run a pipeline over sources, which subclasses define.

    A sample is a dict that starts with ``sample_idx`` and ``rng``. With
    ``test_mode`` its generator depends only on the index, so every validation
    sees the same clips.

    Args:
        pipeline: Transforms, or their configs.
        test_mode: Whether every epoch repeats the same draws.
        metainfo: Meta information for MMEngine, kept unchanged.
    """

    def __init__(
        self,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        metainfo: dict | None = None,
    ) -> None:
        # Built from MMAction2's registry: MMEngine's own Compose looks into
        # the root registry unless a runner has set a default scope.
        self.pipeline = Compose(
            [
                TRANSFORMS.build(t) if isinstance(t, dict) else t
                for t in pipeline
            ]
        )
        self.test_mode = test_mode
        self._metainfo = dict(metainfo or {})

    @property
    def metainfo(self) -> dict:
        """Meta information that MMEngine passes to metrics and hooks."""
        return dict(self._metainfo)

    def full_init(self) -> None:
        """Do nothing; MMEngine's wrappers call this method."""

    def get_data_info(self, idx: int) -> dict:
        """Return the keys of a source's sample, before the pipeline."""
        raise NotImplementedError

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return no category: sources are unlabelled."""
        return []

    def __getitem__(self, idx: int) -> dict:
        """Return the packed sample of one source.

        Raises:
            IndexError: If there is no such source.
        """
        if not 0 <= idx < len(self):
            idx = range(len(self))[idx]
        return self._samples([idx])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict]:
        """Return the packed samples of a batch; data loaders call this.

        They are those of :meth:`__getitem__`, but each step after the image
        has its final size is run over the whole batch before the next one.
        A step of Python takes several times as long if the pixels of a
        sample have pushed it out of the processor's caches since it last ran.
        """
        pure = self.test_mode or all(
            isinstance(idx, EpochIndex) for idx in indices
        )
        # The stream of a plain index depends on all that was drawn before.
        if pure and type(self).__getitem__ is SourceDataset.__getitem__:
            return self._samples(indices)
        return [self[idx] for idx in indices]

    def _samples(self, indices: Sequence[int]) -> list[dict]:
        steps = self.pipeline.transforms
        first = len(steps)
        while first and type(steps[first - 1]) in PLAN_STEPS:
            first -= 1
        head = Compose(steps[:first])
        rngs = [self.rng(idx) for idx in indices]
        samples = [
            self.load(idx, rng, head) for idx, rng in zip(indices, rngs)
        ]
        for step in steps[first:]:
            samples = [step(x) if x is not None else x for x in samples]
        return samples

    def rng(self, idx: int) -> np.random.Generator:
        """Return the generator of one sample."""
        return sample_rng(idx, self.test_mode)

    def load(
        self,
        idx: int,
        rng: np.random.Generator,
        steps: Callable[[dict], dict],
    ) -> dict:
        """Return one sample after the given steps.

        Args:
            idx: Index of the source.
            rng: Generator of the sample.
            steps: First steps of the pipeline.
        """
        results = self.get_data_info(idx)
        results['sample_idx'] = idx
        results['rng'] = rng
        return steps(results)
