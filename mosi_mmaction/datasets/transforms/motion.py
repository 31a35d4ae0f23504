"""Draw a plan step by step, render it, pack it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...method.checks import check_motion, check_side_ratio
from ...method.color import ColorJitter
from ...method.draw_layers import check_background, draw_moving_background
from ...method.mattes import check_matte
from ...method.motion import (
    LabelPool,
    draw_color_jitter,
    draw_motion,
    draw_static_mask,
    render,
)
from ...method.trajectories import check_nuisance
from ...structures.batch import MoSIDataSample
from ...structures.batch_memory import empty_sample
from .seeding import results_rng


@TRANSFORMS.register_module()
class DrawPseudoMotion(BaseTransform):
    """Draw the path of the window for every label (Eq. 1, Eq. 2).

    Required Keys:
        - img (np.ndarray): Source image, (H, W, 3) uint8 RGB.
        - rng (numpy.random.Generator, optional)
    Added Keys:
        - motion (PseudoMotion): The plan; see
          :mod:`~mosi_mmaction.method.motion`.

    Args:
        clip_len: Number of frames N.
        crop_size: Side L of the moving window in pixels.
        num_speeds: |S|, odd and at least 3.
        axes: Axes of the motion, ``'x'``, ``'y'`` or ``'xy'``.
        decoupled: Whether at most one axis moves at a time; False gives all
            |S|² pairs of speeds.
        static: Whether standing still is a label.
        motions: Kinds of motion, from ``'shift'``, ``'zoom'``, ``'turn'``
            and ``'swing'``; see :class:`~mosi_mmaction.LabelPool`.
        signed: Whether a motion and its mirror image have two labels.
        ease: Largest acceleration along the path, in [0, 1]; the net motion
            does not change.
        shake: Largest deviation from the path, as a ratio of the crop's
            side, in [0, 0.5]; the net motion does not change.

    Raises:
        ValueError: If a value is out of range, the crop does not fit into
            the source image, or two speeds would look the same on it.
    """

    def __init__(
        self,
        clip_len: int = 16,
        crop_size: int = 112,
        num_speeds: int = 5,
        axes: str = 'xy',
        decoupled: bool = True,
        static: bool = True,
        motions: Sequence[str] = ('shift',),
        signed: bool = True,
        ease: float = 0.0,
        shake: float = 0.0,
    ) -> None:
        check_motion(crop_size, crop_size, clip_len)
        check_nuisance(ease, shake)
        self.pool = LabelPool(
            num_speeds, axes, decoupled, static, motions, signed
        )
        self.clip_len = clip_len
        self.crop_size = crop_size
        self.ease = ease
        self.shake = shake

    def transform(self, results: dict) -> dict:
        """Draw."""
        size = results['img'].shape[:2]
        plan = draw_motion(
            self.pool,
            size,
            self.crop_size,
            self.clip_len,
            results_rng(results),
            self.ease,
            self.shake,
        )
        margin = 2 * int(np.rint(self.shake * self.crop_size))
        room = [side - self.crop_size - margin for side in size[1::-1]]
        for axis, pixels in zip('xy', room):
            if axis in self.pool.components and pixels < self.pool.max_speed:
                raise ValueError(
                    f'crop_size={self.crop_size} in a source image of '
                    f'{size[1]}x{size[0]} pixels leaves {pixels} pixels to '
                    f'move along {axis}, too few to tell num_speeds='
                    f'{self.pool.num_speeds} apart: make CropSource.size '
                    'larger or crop_size smaller'
                )
        results['motion'] = plan
        return results


@TRANSFORMS.register_module()
class DrawStaticMask(BaseTransform):
    """Draw the box that keeps moving and the frozen frame (Eq. 3).

    Required Keys:
        - motion (PseudoMotion)
        - rng (numpy.random.Generator, optional)
    Modified Keys:
        - motion (PseudoMotion): Gains boxes and background.

    Args:
        side_ratio: Smallest and largest side of the box as a ratio of the
            crop's side; one number fixes it.
        shape: Shape of the matte in the box: ``'box'``, ``'ellipse'``,
            ``'polygon'``, ``'blob'``, or ``'mixed'``, which draws one of
            these for each clip.
        soft: Width of the matte's soft edge as a ratio of its side, in
            [0, 1]; 0 is hard.
        travels: Whether the matte moves with its content, as an object does,
            instead of staying in place. The path is shortened so that the
            matte stays inside the frame.
        num_distractors: Number of further shapes that belong to the
            background; half of them flicker.

    Raises:
        ValueError: If a ratio is outside (0, 1], or another value is out of
            range.
    """

    def __init__(
        self,
        side_ratio: float | Sequence[float] = (0.3, 0.5),
        shape: str = 'box',
        soft: float = 0.0,
        travels: bool = False,
        num_distractors: int = 0,
    ) -> None:
        check_matte(shape, soft, num_distractors)
        self.side_ratio = check_side_ratio(side_ratio)
        self.options: dict[str, Any] = dict(
            shape=shape,
            soft=soft,
            travels=travels,
            num_distractors=num_distractors,
        )

    def transform(self, results: dict) -> dict:
        """Draw."""
        results['motion'] = draw_static_mask(
            results['motion'],
            self.side_ratio,
            rng=results_rng(results),
            **self.options,
        )
        return results


@TRANSFORMS.register_module()
class DrawMovingBackground(BaseTransform):
    """Draw a camera: the background slides along its own path.

    This goes beyond the paper, whose background is frozen; its Fig. 8b shows
    how a moving background misleads a network that has never seen one.

    Required Keys:
        - motion (PseudoMotion): With a mask.
        - rng (numpy.random.Generator, optional)
    Modified Keys:
        - motion (PseudoMotion): Gains a camera.

    Args:
        max_shift: Largest displacement from first to last frame on each axis,
            as a ratio of the crop's side.
        max_zoom: Largest factor by which the background grows or shrinks,
            in [1, 2]; 1 does not zoom.
        label: Reference of the labels: the frame, ``'absolute'``, or the
            background, ``'relative'``.
        texture: ``'same'``, or ``'other'`` for a foreground that shows the
            source image of the next sample of the batch. Such clips are
            rendered where the batch is known, by ``mosi_collate`` or on the
            device.

    Raises:
        ValueError: If a value is out of range, or the source image leaves
            no room for the camera.
    """

    def __init__(
        self,
        max_shift: float = 0.25,
        max_zoom: float = 1.0,
        label: str = 'absolute',
        texture: str = 'same',
    ) -> None:
        check_background(max_shift, max_zoom, label, texture)
        self.options: dict[str, Any] = dict(
            max_shift=max_shift,
            max_zoom=max_zoom,
            label=label,
            texture=texture,
        )

    def transform(self, results: dict) -> dict:
        """Draw."""
        results['motion'] = draw_moving_background(
            results['motion'], rng=results_rng(results), **self.options
        )
        return results


@TRANSFORMS.register_module()
class DrawColorJitter(BaseTransform):
    """Draw the colour jitter of every frame (paper appendix).

    Every frame has its own brightness, contrast, saturation and hue;
    greyscale is drawn once per clip, as in the release.

    Required Keys:
        - motion (PseudoMotion)
        - rng (numpy.random.Generator, optional)
    Modified Keys:
        - motion (PseudoMotion): Gains colours.

    Args:
        brightness: Strength, as for :class:`~mosi_mmaction.ColorJitter`.
        contrast: Likewise.
        saturation: Likewise.
        hue: Likewise.
        grayscale: Probability of a grey clip.
        per_frame: Whether every frame has colours of its own.
        grayscale_per_frame: Whether every frame is grey or not by itself.

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
        per_frame: bool = ColorJitter.per_frame,
        grayscale_per_frame: bool = ColorJitter.grayscale_per_frame,
    ) -> None:
        self.jitter = ColorJitter(
            brightness,
            contrast,
            saturation,
            hue,
            grayscale,
            per_frame,
            grayscale_per_frame,
        )

    def transform(self, results: dict) -> dict:
        """Draw."""
        results['motion'] = draw_color_jitter(
            results['motion'], self.jitter, results_rng(results)
        )
        return results


@TRANSFORMS.register_module()
class RenderPseudoMotion(BaseTransform):
    """Render the plan in the worker; this draws nothing random.

    If a pipeline leaves this out, source image and plan are packed instead,
    for a :class:`~mosi_mmaction.MoSIDataPreprocessor` with ``render=True``.

    Required Keys:
        - img (np.ndarray): Source image, (H, W, 3) uint8 RGB.
        - motion (PseudoMotion)
    Added Keys:
        - imgs (np.ndarray): (C, N, L, L, 3) uint8 RGB.
        - label (np.ndarray): (C,) int64.
    """

    def transform(self, results: dict) -> dict:
        """Render, or leave it to the collate function that has the batch."""
        if results['motion'].texture == 'other':
            results['render_in_batch'] = True
            return results
        plan = results['motion']
        # In a worker, directly into the memory in which the batch is sent.
        out = empty_sample(plan.shape)
        results['imgs'] = render(results['img'], plan, out)
        results['label'] = results['motion'].labels
        return results


@TRANSFORMS.register_module()
class PackMoSIInputs(BaseTransform):
    """Pack the clips of one source image for the model.

    The frames are not transposed: the tensor is a view whose memory keeps
    channels last.

    Required Keys:
        - motion (PseudoMotion)
        - imgs (np.ndarray): (C, N, L, L, 3) uint8 RGB, if rendered.
        - img (np.ndarray): (H, W, 3) uint8 RGB, if not.

    Returns of :meth:`transform`:
        - inputs (torch.Tensor): uint8, (C, 3, N, L, L) clips, or
          (3, H, W) for the source image.
        - data_samples (MoSIDataSample): ``gt_label`` (C,) int64, and
          ``motion`` if the clips have not been rendered yet; meta
          ``label_pool``, ``img_path``, ``sample_idx``.
    """

    def transform(self, results: dict) -> dict:
        """Pack."""
        plan = results['motion']
        sample = MoSIDataSample()
        sample.set_gt_label(plan.labels)
        path = next(
            (
                results[k]
                for k in ('img_path', 'filename', 'frame_dir')
                if k in results
            ),
            '',
        )
        meta = dict(
            label_pool=plan.pool,
            img_path=path,
            sample_idx=int(results.get('sample_idx', -1)),
        )
        if 'imgs' in results:
            inputs = torch.from_numpy(results['imgs'])
            inputs = inputs.permute(0, 4, 1, 2, 3)
        else:
            inputs = torch.from_numpy(np.ascontiguousarray(results['img']))
            inputs = inputs.permute(2, 0, 1)
            sample.motion = plan
            if results.get('render_in_batch'):
                meta['render_in_batch'] = True
        sample.set_metainfo(meta)
        return dict(inputs=inputs, data_samples=sample)


#: Steps that work on a plan and an image of its final size, and draw from
#: ``results['rng']`` only: they may be run over a batch in turn.
PLAN_STEPS = frozenset(
    {
        DrawPseudoMotion,
        DrawStaticMask,
        DrawMovingBackground,
        DrawColorJitter,
        RenderPseudoMotion,
        PackMoSIInputs,
    }
)
