"""Base class of datasets of source images."""

from collections.abc import Callable, Sequence

import numpy as np
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from .samplers.epoch_sampler import sample_rng


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
        """Return the packed sample of one source."""
        return self.prepare_data(idx, self.rng(idx))

    def rng(self, idx: int) -> np.random.Generator:
        """Return the generator of one sample."""
        return sample_rng(idx, self.test_mode)

    def prepare_data(self, idx: int, rng: np.random.Generator) -> dict:
        """Run the pipeline over one source with the given generator."""
        results = self.get_data_info(idx)
        results['sample_idx'] = idx
        results['rng'] = rng
        return self.pipeline(results)
