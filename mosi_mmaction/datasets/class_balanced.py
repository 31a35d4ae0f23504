"""Rare classes more often, every visit with a stream of its own."""

from mmaction.registry import DATASETS
from mmengine import dataset as mmengine_dataset
from mmengine.registry import DefaultScope

from .samplers.epoch_sampler import EpochIndex


@DATASETS.register_module()
class ClassBalancedDataset(mmengine_dataset.ClassBalancedDataset):
    """MMEngine's ClassBalancedDataset that keeps the streams of samples.

    A video that stands in an epoch twice is cut and flipped in two ways,
    and a resumed run sees the clips of one that was never stopped.
    MMEngine's own looks its index up in a list, which loses what an
    :class:`~mosi_mmaction.EpochIndex` carries.

    Args:
        dataset: The data set, or its config.
        oversample_thr: Share of the videos below which a class is repeated.
        lazy_init: Whether the lists are read later.
    """

    def __init__(
        self, dataset: dict, oversample_thr: float, lazy_init: bool = False
    ) -> None:
        # It is built from the root registry, which finds ours and MMAction2's
        # in this scope only; a runner sets it, a script need not have.
        with DefaultScope.overwrite_default_scope('mmaction'):
            super().__init__(dataset, oversample_thr, lazy_init)

    def _get_ori_dataset_idx(self, idx: int) -> int:
        found = super()._get_ori_dataset_idx(idx)
        # The position stays that of the outer index.
        return idx.moved(found) if isinstance(idx, EpochIndex) else found
