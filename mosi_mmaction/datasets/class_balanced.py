"""Repeat rare classes; every visit has its own random stream."""

from mmaction.registry import DATASETS
from mmengine import dataset as mmengine_dataset
from mmengine.registry import DefaultScope

from .samplers.epoch_sampler import EpochIndex


@DATASETS.register_module()
class ClassBalancedDataset(mmengine_dataset.ClassBalancedDataset):
    """MMEngine's ClassBalancedDataset that keeps the streams of samples.

    A video that occurs twice in an epoch is cropped and flipped differently
    each time, and a resumed run sees the same clips as an uninterrupted one.
    MMEngine's own class looks up its index in a list, which loses the stream
    of an :class:`~mosi_mmaction.EpochIndex`.

    Args:
        dataset: Dataset, or its config.
        oversample_thr: Share of the videos below which a class is repeated.
        lazy_init: Whether the lists are read later.
    """

    def __init__(
        self, dataset: dict, oversample_thr: float, lazy_init: bool = False
    ) -> None:
        # It is built from the root registry, which finds our classes and
        # MMAction2's only in this scope; a runner sets it, a script may not.
        with DefaultScope.overwrite_default_scope('mmaction'):
            super().__init__(dataset, oversample_thr, lazy_init)

    def _get_ori_dataset_idx(self, idx: int) -> int:
        found = super()._get_ori_dataset_idx(idx)
        # Keep the position of the outer index.
        return idx.moved(found) if isinstance(idx, EpochIndex) else found
