"""Computer-drawn source images: pretraining with no photograph at all."""

import cv2
import numpy as np
from mmaction.registry import DATASETS

from .base import SourceDataset


def draw_dead_leaves(
    size: int, rng: np.random.Generator, max_leaves: int = 4000
) -> np.ndarray:
    """Draw an image of occluding discs and boxes with power-law sizes.

    The dead leaves model shares occlusions, edges at all scales and the
    statistics of gradients with photographs. Radii follow p(r) ~ r^-3
    between 2 % and 25 % of the side; discs and turned boxes are equally
    likely. A faint grain over all of it leaves no part so flat that motion
    could not be seen in it.

    Args:
        size: Side of the image in pixels.
        rng: The only source of randomness.
        max_leaves: Upper bound of the number of leaves. Fewer are drawn on
            small images, enough to cover the image three times over.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    smallest, largest = max(1.5, 0.02 * size), 0.25 * size
    # E[r^2] of p(r) ~ r^-3 on [a, b] is 2 a^2 b^2 ln(b/a) / (b^2 - a^2).
    a2, b2 = smallest**2, largest**2
    mean_square = 2 * a2 * b2 * np.log(largest / smallest) / (b2 - a2)
    count = int(min(max_leaves, 3 * size**2 / (np.pi * mean_square)))
    # Inverse of the cumulative distribution of p(r) ~ r^-3.
    u = rng.random(count)
    radius = 1 / np.sqrt(1 / a2 - u * (1 / a2 - 1 / b2))
    centre = rng.uniform(-0.1 * size, 1.1 * size, (count, 2))
    color = rng.integers(0, 256, (count, 3)).tolist()
    is_disc = rng.random(count) < 0.5
    stretch = rng.uniform(0.4, 1, count)
    angle = rng.uniform(0, 180, count)

    image = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    shift = 4  # OpenCV's fixed point: 4 fractional bits
    for i in range(count):
        x, y = centre[i]
        if is_disc[i]:
            at = (round(x * 2**shift), round(y * 2**shift))
            cv2.circle(
                image,
                at,
                round(radius[i] * 2**shift),
                color[i],
                -1,
                cv2.LINE_AA,
                shift,
            )
        else:
            sides = (2 * radius[i], 2 * radius[i] * stretch[i])
            corners = cv2.boxPoints(((x, y), sides, angle[i]))
            cv2.fillConvexPoly(
                image,
                np.rint(corners * 2**shift).astype(np.int32),
                color[i],
                cv2.LINE_AA,
                shift,
            )
    grain = cv2.GaussianBlur(rng.normal(0, 20, (size, size, 1)), (0, 0), 1)[
        ..., None
    ]
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)


@DATASETS.register_module()
class DeadLeavesDataset(SourceDataset):
    """Source images drawn by the computer, the same in every epoch.

    Added Keys:
        - img (np.ndarray): (size, size, 3) uint8 RGB.
        - rng, sample_idx: See :class:`SourceDataset`.

    Args:
        num_images: Number of images.
        size: Side of the images in pixels.
        seed: Image i is a function of (seed, i) and of nothing else; give
            training and validation different seeds.
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
