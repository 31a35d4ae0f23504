"""A transform for experiments only, found through ``custom_imports``.

Importing :mod:`mosi_mmaction` does not register it: it reproduces a defect, to
measure its cost.
"""

from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ..datasets.transforms.seeding import results_rng


@TRANSFORMS.register_module()
class FlipRendered(BaseTransform):
    """Mirror clips after rendering and keep their labels.

    This is the order of the authors' released code: half of the clips
    labelled left move right and vice versa, so no network can name more than
    5/9 + 4/9 / 2 = 77.8 % of the clips correctly.

    Required Keys:
        - imgs (np.ndarray): (C, N, L, L, 3) uint8 RGB.
        - rng (numpy.random.Generator, optional)
    Modified Keys:
        - imgs

    Args:
        flip_ratio: Probability of mirroring each clip.

    Raises:
        ValueError: If it is not a probability.
    """

    def __init__(self, flip_ratio: float = 0.5) -> None:
        if not 0 <= flip_ratio <= 1:
            raise ValueError(
                f'FlipRendered.flip_ratio={flip_ratio}: allowed '
                'is a probability in [0, 1]'
            )
        self.flip_ratio = flip_ratio

    def transform(self, results: dict) -> dict:
        """Mirror."""
        clips = results['imgs'].copy()
        flip = results_rng(results).random(len(clips)) < self.flip_ratio
        clips[flip] = clips[flip][..., ::-1, :]
        results['imgs'] = clips
        return results
