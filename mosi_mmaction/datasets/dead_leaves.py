"""Computer-drawn source images, for pretraining without photographs."""

import numpy as np
from mmaction.registry import DATASETS

from ..synthetic.dead_leaves import draw_dead_leaves
from .source_dataset import SourceDataset


@DATASETS.register_module()
class DeadLeavesDataset(SourceDataset):
    """Computer-drawn source images, the same in every epoch.

    Added Keys:
        - img (np.ndarray): (size, size, 3) uint8 RGB.
        - rng, sample_idx: See :class:`SourceDataset`.

    Args:
        num_images: Number of images.
        size: Side of the images in pixels.
        seed: Seed of the images: image i depends only on (seed, i). Use
            different seeds for training and validation.
        **kwargs: ``pipeline``, ``test_mode``, ``metainfo``.

    Raises:
        ValueError: If there are no images or they have no pixels.
    """

    def __init__(
        self, num_images: int, size: int = 320, seed: int = 0, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        if num_images < 1 or size < 8:
            raise ValueError(
                f'DeadLeavesDataset: num_images={num_images}, size={size}; '
                'allowed are at least 1 image and at least 8 pixels'
            )
        self.num_images = num_images
        self.size = size
        self.seed = seed

    def __len__(self) -> int:
        """Number of images."""
        return self.num_images

    def get_data_info(self, idx: int) -> dict:
        """Draw one image."""
        rng = np.random.default_rng((self.seed, int(idx)))
        return dict(img=draw_dead_leaves(self.size, rng))
