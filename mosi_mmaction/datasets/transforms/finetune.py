"""Transforms for labelled videos: fine-tuning and evaluation."""

import cv2
import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...method.color import LUMA, ColorJitter, apply_color
from .seeding import results_rng


@TRANSFORMS.register_module()
class ClipColorJitter(BaseTransform):
    """Jitter the colours of a clip, the same for all frames (paper appendix).

    It replaces MMAction2's ``ColorJitter``, which fails with NumPy 2.
    Contrast pivots on the mean luma of all frames, so it does not flicker.

    Required Keys:
        - imgs (list[np.ndarray]): Frames, each (H, W, 3) uint8 RGB.
        - rng (numpy.random.Generator, optional)
    Modified Keys:
        - imgs

    Args:
        brightness, contrast, saturation, hue, grayscale: Strengths, as in
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
        # One pass for the sums and one for the mapping; OpenCV's sums of
        # bytes are exact, like NumPy's mean of them.
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
    """Mark a video as gallery or query of a retrieval.

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


@TRANSFORMS.register_module()
class DriftingCrop(BaseTransform):
    """Crop a window that slides over the frames, like a panning camera.

    It is meant for videos from a still camera. Every clip has its own steady
    path, whose start and end are uniform over the positions where the window
    fits and at most ``max_drift`` apart. Put it after decoding and resizing
    and before other crops.

    Required Keys:
        - imgs (list[np.ndarray]): Frames, each (H, W, 3) uint8.
        - rng (numpy.random.Generator, optional)
        - num_clips (int, optional): Number of clips that the frames form;
          default 1.
    Modified Keys:
        - imgs: Views of the frames, all of the same, smaller size.
        - img_shape (tuple[int, int])

    Args:
        size_ratio: Sides of the window as a ratio of those of the frame, in
            (0, 1].
        max_drift: Largest displacement of the window on each axis from a
            clip's first frame to its last, as a ratio of the window's side;
            limited by the frame.
        prob: Probability that a clip drifts; otherwise its window is still.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        size_ratio: float = 0.8,
        max_drift: float = 0.25,
        prob: float = 1.0,
    ) -> None:
        for name, value, low, high in (
            ('size_ratio', size_ratio, 1e-6, 1),
            ('max_drift', max_drift, 0, np.inf),
            ('prob', prob, 0, 1),
        ):
            if not low <= value <= high:
                raise ValueError(
                    f'DriftingCrop.{name}={value!r}: allowed is '
                    + (
                        'a ratio in (0, 1]'
                        if name == 'size_ratio'
                        else f'a number in [{low}, {high}]'
                    )
                )
        self.size_ratio = size_ratio
        self.max_drift = max_drift
        self.prob = prob

    def transform(self, results: dict) -> dict:
        """Crop."""
        rng = results_rng(results)
        imgs = results['imgs']
        frame = np.array(imgs[0].shape[1::-1])  # (W, H)
        side = np.maximum(1, np.rint(frame * self.size_ratio).astype(int))
        room = frame - side
        most = np.minimum(room, np.floor(side * self.max_drift).astype(int))
        clips = int(results.get('num_clips', 1))
        length = len(imgs) // clips
        out = []
        for c in range(clips):
            way = rng.integers(-most, most, endpoint=True)
            way = way * (rng.random() < self.prob)
            start = rng.integers(
                np.maximum(0, -way),
                room - np.maximum(0, way),
                endpoint=True,
            )
            share = np.arange(length)[:, None] / max(1, length - 1)
            places = np.rint(start + way * share).astype(int).tolist()
            for img, (x, y) in zip(imgs[c * length :], places):
                out.append(img[y : y + side[1], x : x + side[0]])
        results['imgs'] = out
        results['img_shape'] = out[0].shape[:2]
        return results
