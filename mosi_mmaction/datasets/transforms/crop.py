"""Crop and flip a source image before it is set in motion."""

import cv2
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...media.resize import resize_square
from .seeding import results_rng


@TRANSFORMS.register_module()
class CropSource(BaseTransform):
    """Crop a random square of the short side and resize it (Sec. 3.3).

    The horizontal flip happens here, *before* the motion is drawn: if a
    finished clip were flipped, its motion would change and its label would
    not.

    Required Keys:
        - img (np.ndarray): (H, W, 3) uint8 RGB.
        - rng (numpy.random.Generator, optional)
    Modified Keys:
        - img (np.ndarray): (size, size, 3) uint8 RGB.

    Args:
        size: Side of the source image L_s in pixels.
        flip_ratio: Probability of a horizontal flip.
        random_crop: Whether the position of the square is random; otherwise
            it is the centre, as for validation.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        size: int = 320,
        flip_ratio: float = 0.5,
        random_crop: bool = True,
    ) -> None:
        if size < 1:
            raise ValueError(f'CropSource.size={size}: at least 1 pixel')
        if not 0 <= flip_ratio <= 1:
            raise ValueError(
                f'CropSource.flip_ratio={flip_ratio}: allowed '
                'is a probability in [0, 1]'
            )
        self.size = size
        self.flip_ratio = flip_ratio
        self.random_crop = random_crop

    def transform(self, results: dict) -> dict:
        """Crop, resize, flip."""
        rng = results_rng(results)
        img = results['img']
        height, width = img.shape[:2]
        side = min(height, width)
        x, y = (
            int(rng.integers(room + 1)) if self.random_crop else room // 2
            for room in (width - side, height - side)
        )
        flip = rng.random() < self.flip_ratio
        # Cropping first avoids resizing pixels that are thrown away.
        img = img[y : y + side, x : x + side]
        if side != self.size:
            img = resize_square(img, self.size)
        if flip:
            img = cv2.flip(img, 1)
        results['img'] = np.ascontiguousarray(img)
        return results
