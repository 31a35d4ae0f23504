"""For labelled videos: fine-tuning and evaluation."""

import cv2
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...method.color import LUMA, ColorJitter, apply_color
from .seeding import results_rng


@TRANSFORMS.register_module()
class ClipColorJitter(BaseTransform):
    """Jitter the colours of a clip, all frames alike (paper appendix).

    Instead of MMAction2's ``ColorJitter``, which fails on NumPy 2. Contrast
    pivots on the mean luma of all frames, so that it does not flicker.

    Required Keys:
        - imgs (list[np.ndarray]): Frames, each (H, W, 3) uint8 RGB.
        - rng (numpy.random.Generator, optional)
    Modified Keys:
        - imgs

    Args:
        brightness, contrast, saturation, hue, grayscale: Those of
            :class:`~mosi_mmaction.ColorJitter`.

    Raises:
        ValueError: If a strength is out of range.
    """

    def __init__(
        self,
        brightness: float = ColorJitter.brightness,
        contrast: float = ColorJitter.contrast,
        saturation: float = ColorJitter.saturation,
        hue: float = ColorJitter.hue,
        grayscale: float = ColorJitter.grayscale,
    ) -> None:
        self.jitter = ColorJitter(
            brightness, contrast, saturation, hue, grayscale, per_frame=False
        )

    def transform(self, results: dict) -> dict:
        """Jitter."""
        # One pass that sums and one that maps; OpenCV's sums of bytes are
        # exact, as NumPy's mean of them is.
        imgs = [np.ascontiguousarray(img) for img in results['imgs']]
        params = self.jitter.draw((1, 1), results_rng(results))
        mean = np.mean([_mean_color(img) @ LUMA for img in imgs])
        matrix = params.matrices(np.array([[mean]]))[0, 0]
        results['imgs'] = [apply_color(img, matrix) for img in imgs]
        return results


def _mean_color(img: np.ndarray) -> np.ndarray:
    """Return the mean of R, G and B, (3,) float64."""
    return np.array(cv2.sumElems(img)[:3]) / (img.shape[0] * img.shape[1])


@TRANSFORMS.register_module()
class SetRole(BaseTransform):
    """Say what a video is for in a retrieval.

    Added Keys:
        - role (str)

    Args:
        role: ``'gallery'`` or ``'query'``.

    Raises:
        ValueError: If it is neither.
    """

    def __init__(self, role: str) -> None:
        if role not in ('gallery', 'query'):
            raise ValueError(
                f"SetRole.role={role!r}: allowed are 'gallery' and 'query'"
            )
        self.role = role

    def transform(self, results: dict) -> dict:
        """Set it."""
        results['role'] = self.role
        return results
