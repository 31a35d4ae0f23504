"""Self-supervised Motion Learning from Static Images, CVPR 2021, Sec. 3.

A labelled clip is made from a still image in two steps. First, every random
choice is *drawn* into a small frozen :class:`PseudoMotion`, the plan; then
:func:`render` turns image and plan into pixels, deterministically. The plan
carries its own labels, so labels and pixels cannot disagree, and the same plan
can be rendered here, on a device, or as a figure.

    pool = LabelPool(num_speeds=5, axes='xy')                       # Eq. 1
    plan = draw_motion(pool, source_size=320, crop_size=112,
                       clip_len=16, rng=rng)                        # Eq. 2
    plan = draw_static_mask(plan, side_ratio=(0.3, 0.5), rng=rng)   # Eq. 3
    clips = render(image, plan)                # (9, 16, 112, 112, 3) uint8

Letters used below: C labels, N frames, L side of the crop in pixels, K the
largest speed. Pairs are (x, y), x to the right and y down, as in the paper.
A label is the direction of the window; the picture in it moves the other way.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import cast

import numpy as np

from .checks import (
    SizeLike,
    check_images,
    check_motion,
    check_out,
    check_side_ratio,
)
from .color import ColorJitter, apply_color, window_luma
from .draw_layers import draw_shapes
from .labels import LabelPool, read_only
from .mattes import check_matte
from .plan import PseudoMotion
from .render_layers import render_layers
from .trajectories import check_nuisance, draw_path


def draw_motion(
    pool: LabelPool,
    source_size: SizeLike,
    crop_size: int,
    clip_len: int,
    rng: np.random.Generator,
    ease: float = 0.0,
    shake: float = 0.0,
) -> PseudoMotion:
    """Draw the path of the window for every label (paper Sec. 3.1, Eq. 2).

    Speed v moves the window by D = v / K · (side of the source - L) pixels
    in N - 1 equal steps. The start is uniform over the positions for which
    the end lies inside the source. Positions are rounded to the nearest pixel
    along the direction of motion, so that the opposite speed has exactly the
    mirrored path, and the last window lies at the exact end.

    Args:
        pool: Label pool; each label gives one clip.
        source_size: Side of the source image or (H, W), in pixels. If it
            equals ``crop_size``, there is no room and nothing moves.
        crop_size: Side L of the window in pixels.
        clip_len: Number of frames N, at least 2.
        rng: The only source of randomness.
        ease: Largest acceleration along the path, in [0, 1]; beyond the
            paper, see :func:`~mosi_mmaction.method.trajectories.draw_path`.
        shake: Largest deviation from the path, as a ratio of the crop's
            side, in [0, 0.5]; beyond the paper.

    Returns:
        A plan without mask and without colour jitter.

    Raises:
        ValueError: If the crop or the motion does not fit, or there are
            fewer than two frames.
    """
    height, width = check_motion(source_size, crop_size, clip_len)
    check_nuisance(ease, shake)
    if not pool.is_plain or ease or shake:
        size = (height, width)
        offsets, drawn, warp = draw_path(
            pool, size, crop_size, clip_len, rng, ease, shake
        )
        return PseudoMotion(
            pool, size, int(crop_size), offsets, drawn=drawn, warp=warp
        )
    low, high, moved = _paths(pool, height, width, crop_size, clip_len)
    start = rng.integers(low, high, endpoint=True)
    return PseudoMotion(
        pool,
        (height, width),
        int(crop_size),
        read_only(start[:, None] + moved),
    )


@lru_cache(maxsize=64)
def _paths(
    pool: LabelPool, height: int, width: int, crop_size: int, clip_len: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the deterministic part of Eq. 2, the same for every image.

    Returns:
        Smallest and largest start, (C, 2) int64, and the displacement from
        the start in every frame, (C, N, 2) int64; all in pixels.
    """
    room = np.array([width - crop_size, height - crop_size])
    k = pool.max_speed
    travel = (2 * abs(pool.speeds) * room + k) // (2 * k)  # (C, 2), rounded
    sign = np.sign(pool.speeds)
    gaps = clip_len - 1
    step = np.arange(clip_len)[None, :, None]
    moved = (2 * travel[:, None] * step + gaps) // (2 * gaps)  # (C, N, 2)
    return (
        read_only(np.where(sign < 0, travel, 0)),
        read_only(np.where(sign > 0, room - travel, room)),
        read_only(sign[:, None] * moved),
    )


def draw_static_mask(
    plan: PseudoMotion,
    side_ratio: float | Sequence[float] = (0.3, 0.5),
    *,
    rng: np.random.Generator,
    shape: str = 'box',
    soft: float = 0.0,
    travels: bool = False,
    num_distractors: int = 0,
) -> PseudoMotion:
    """Draw the box that keeps moving and the frozen frame (Sec. 3.2, Eq. 3).

    Side, position and background frame are drawn separately for every clip.

    Args:
        plan: Drawn motion.
        side_ratio: Smallest and largest side of the square box as a ratio
            of the crop's side, drawn uniformly; one number fixes it. The
            side is rounded to pixels and is at least one pixel.
        rng: The only source of randomness.
        shape: Shape of the mask, beyond the paper: ``'box'``,
            ``'ellipse'``, ``'polygon'``, ``'blob'``, or ``'mixed'``, which
            draws one of these for each clip.
        soft: Width of the matte's soft edge as a ratio of its side, in
            [0, 1]; 0 is the hard edge of the paper.
        travels: Whether the matte moves with its content, as an object does.
            Its path is shortened so that it stays inside the frame.
        num_distractors: Number of further shapes that belong to the
            background; half of them flicker.

    Returns:
        The same plan with ``boxes`` and ``background``, and with ``matte``
        and ``distractors`` if requested.

    Raises:
        ValueError: If ratios are outside (0, 1] or in the wrong order, or
            another argument is out of range.
    """
    low, high = check_side_ratio(side_ratio)
    check_matte(shape, soft, num_distractors)
    clips, size = len(plan.pool), plan.crop_size
    side = np.rint(rng.uniform(low, high, clips) * size).astype(np.int64)
    side = np.maximum(side, 1)[:, None]
    corner = rng.integers(0, size - side, (clips, 2), endpoint=True)
    background = rng.integers(0, plan.clip_len, clips)
    plan = replace(
        plan,
        boxes=read_only(np.concatenate([corner, corner + side], axis=1)),
        background=read_only(background),
    )
    most_side = max(1, int(np.rint(high * size)))
    return draw_shapes(
        plan, most_side, shape, soft, travels, num_distractors, rng
    )


def draw_color_jitter(
    plan: PseudoMotion, jitter: ColorJitter, rng: np.random.Generator
) -> PseudoMotion:
    """Draw the colour jitter of every frame (paper appendix).

    Args:
        plan: Drawn motion, masked or not.
        jitter: Strengths, and what is drawn per frame or per clip.
        rng: The only source of randomness.

    Returns:
        The same plan with ``color``.
    """
    return replace(plan, color=jitter.draw(plan.offsets.shape[:2], rng))


def render(
    image: np.ndarray,
    plan: PseudoMotion,
    out: np.ndarray | None = None,
    other: np.ndarray | None = None,
) -> np.ndarray:
    """Render the clips of a plan. Pure: equal arguments, equal pixels.

    Frame n of a clip is the window of ``image`` at the n-th offset, its
    colours jittered by the n-th draw. With a static mask, frame q replaces it
    everywhere outside the box (Eq. 3), including its colours, as the mask is
    applied after the jitter.

    Args:
        image: Source image, (H, W, 3) uint8 RGB.
        plan: Plan to render; ``plan.source_size`` is (H, W).
        out: Array to write to, ``plan.shape`` uint8, C-contiguous; by default
            a new array.
        other: Source image of the foreground, of the same size, if
            ``plan.texture`` is ``'other'``.

    Returns:
        ``out``, or a new array: (C, N, L, L, 3) uint8 RGB, C-contiguous.

    Raises:
        ValueError: If the image does not fit the plan, or the clips do not
            fit into ``out``.
    """
    check_images(image, plan, other)
    if out is None:
        out = np.empty(plan.shape, np.uint8)
    check_out(out, plan)
    if not plan.is_plain:
        return render_layers(image, plan, out, other)
    size = plan.crop_size
    if plan.color is None:
        copy_window = _copy_plain(image, plan, out)
    else:
        copy_window = _copy_jittered(image, plan, out)
    frames = list(range(plan.clip_len))
    for c in range(len(plan.pool)):
        if plan.boxes is None:
            box, clip_frames = (0, 0, size, size), frames
        else:
            # The frozen frame is written once and copied over the clip;
            # then only the boxes of the other frames remain.
            q = int(cast(np.ndarray, plan.background)[c])
            copy_window(c, q, (0, 0, size, size))
            out[c, :q] = out[c, q]
            out[c, q + 1 :] = out[c, q]
            box = plan.boxes[c].tolist()
            clip_frames = [n for n in frames if n != q]
        for n in clip_frames:
            copy_window(c, n, box)
    return out


def _copy_plain(image, plan, out):
    offsets = plan.offsets.tolist()

    def copy(c, n, box):
        x, y = offsets[c][n]
        x1, y1, x2, y2 = box
        out[c, n, y1:y2, x1:x2] = image[y + y1 : y + y2, x + x1 : x + x2]

    return copy


def _copy_jittered(image, plan, out):
    offsets = plan.offsets.tolist()
    luma = window_luma(image, plan.offsets, plan.crop_size)
    matrices = plan.color.matrices(luma)

    def copy(c, n, box):
        x, y = offsets[c][n]
        x1, y1, x2, y2 = box
        apply_color(
            image[y + y1 : y + y2, x + x1 : x + x2],
            matrices[c, n],
            out[c, n, y1:y2, x1:x2],
        )

    return copy
