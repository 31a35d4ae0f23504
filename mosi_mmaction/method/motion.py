"""Self-supervised Motion Learning from Static Images, CVPR 2021, Sec. 3.

A labelled clip is made out of a still image in two halves. Every random
choice is *drawn* first, into a small frozen :class:`PseudoMotion`; then
:func:`render` turns image and plan into pixels and draws nothing. The plan
carries its own labels, so that label and pixels cannot drift apart, and one
plan can be rendered here, on a device, or on a poster.

    pool = LabelPool(num_speeds=5, axes='xy')                       # Eq. 1
    plan = draw_motion(pool, source_size=320, crop_size=112,
                       clip_len=16, rng=rng)                        # Eq. 2
    plan = draw_static_mask(plan, side_ratio=(0.3, 0.5), rng=rng)   # Eq. 3
    clips = render(image, plan)                # (9, 16, 112, 112, 3) uint8

Letters used below: C labels, N frames, L side of the crop in pixels, K the
largest speed. Pairs are (x, y), x to the right and y down, as in the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Real
from typing import Any, cast

import numpy as np

from .color import ColorJitter, ColorParams, apply_color, window_luma
from .labels import LabelPool, read_only
from .layers import Camera, draw_shapes
from .mattes import Distractors, Matte, check_matte
from .paths import Warp, check_nuisance, draw_path
from .render_layers import render_layers

SizeLike = int | Sequence[int]


@dataclass(frozen=True, eq=False)
class PseudoMotion:
    """Everything that was drawn for the clips of one source image.

    Attributes:
        pool: The label pool; ``labels`` index it.
        source_size: (H, W) of the source image in pixels.
        crop_size: Side L of the moving window in pixels.
        offsets: Upper left corner (x, y) of the window in every frame,
            (C, N, 2) int64, in pixels of the source image.
        boxes: The box that moves, (x1, y1, x2, y2) in pixels of the crop,
            x2 and y2 exclusive, (C, 4) int64; None without static mask. Of
            a matte that travels, the box in the first frame.
        background: Frame q shown outside of the box, (C,) int64; None
            without static mask, or with a camera.
        color: Colour jitter of every frame, arrays of (C, N); None without.
        drawn: The signed motion of every clip, (C, 6) int64, see
            :data:`mosi_mmaction.method.labels.COMPONENTS`; None where it is
            the pool's.
        warp: Zoom and rotation of the windows; None without.
        matte: Shape of the foreground in its box; None for the hard box of
            the paper.
        distractors: Shapes in the background; None without.
        camera: Path of the background, instead of a frame q; None without.
        texture: ``'same'``, or ``'other'`` where the foreground shows
            another source image.
    """

    pool: LabelPool
    source_size: tuple[int, int]
    crop_size: int
    offsets: np.ndarray
    boxes: np.ndarray | None = None
    background: np.ndarray | None = None
    color: ColorParams | None = None
    drawn: np.ndarray | None = None
    warp: Warp | None = None
    matte: Matte | None = None
    distractors: Distractors | None = None
    camera: Camera | None = None
    texture: str = 'same'

    @property
    def labels(self) -> np.ndarray:
        """The label of every clip, (C,) int64: indices into the pool.

        Read off the motion that was drawn.
        """
        if self.drawn is None:
            return np.arange(len(self.pool))
        return self.pool.label_of(self.drawn)

    @property
    def is_plain(self) -> bool:
        """Whether it shows nothing that the paper does not have."""
        return self.texture == 'same' and not any(
            (self.warp, self.matte, self.distractors, self.camera)
        )

    @property
    def frame_boxes(self) -> np.ndarray:
        """The box in every frame, (C, N, 4) int64, see ``boxes``.

        A box that travels goes the way of its content, the opposite of the
        window's, and may leave the frame.
        """
        boxes = cast(np.ndarray, self.boxes)[:, None]
        if self.matte is not None and self.matte.travels:
            way = self.offsets[:, :1] - self.offsets
            return boxes + np.concatenate([way, way], -1)
        return np.broadcast_to(boxes, (*self.offsets.shape[:2], 4))

    @property
    def clip_len(self) -> int:
        """N, the number of frames of a clip."""
        return self.offsets.shape[1]

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Shape of the rendered clips, (C, N, L, L, 3)."""
        return (*self.offsets.shape[:2], self.crop_size, self.crop_size, 3)

    def __deepcopy__(self, memo: dict) -> 'PseudoMotion':
        # Data samples copy their meta information. Nothing in it can change.
        return self


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
    in N - 1 equal steps. The start is uniform over the area from which the
    end lies inside the source. Positions are rounded to the nearest pixel
    along the direction of travel, so that a mirrored speed has the exactly
    mirrored path, and the last window lies at the exact end.

    Args:
        pool: The labels; each becomes one clip.
        source_size: Side of the source image or (H, W), in pixels. Where
            it equals ``crop_size`` there is no room and nothing moves.
        crop_size: Side L of the window in pixels.
        clip_len: Number of frames N, at least 2.
        rng: The only source of randomness.
        ease: Largest acceleration along the path, in [0, 1]; beyond the
            paper, see :func:`~mosi_mmaction.method.paths.draw_path`.
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
    """Return what of Eq. 2 is not random, the same for every image.

    Returns:
        Smallest and largest start, (C, 2) int64, and the way from the start
        in every frame, (C, N, 2) int64; all in pixels.
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

    Side, place and background frame are drawn anew for every clip.

    Args:
        plan: A drawn motion.
        side_ratio: Smallest and largest side of the square box as a ratio
            of the crop's side, drawn uniformly; one number fixes it. The
            side is rounded to pixels and is at least one pixel.
        rng: The only source of randomness.
        shape: Beyond the paper: ``'box'``, ``'ellipse'``, ``'polygon'``,
            ``'blob'``, or ``'mixed'``, one of these for each clip.
        soft: Width of the matte's soft edge as a ratio of its side, in
            [0, 1]; 0 is the hard edge of the paper.
        travels: Whether the matte goes with its content, as an object does.
            Its path is shortened so that it stays in the frame.
        num_distractors: Number of further shapes that belong to the
            background; half of them flicker.

    Returns:
        The same plan with ``boxes`` and ``background``, and with ``matte``
        and ``distractors`` if asked for.

    Raises:
        ValueError: If a ratio lies outside of (0, 1] or they are in the
            wrong order, or another argument is out of range.
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
        plan: A drawn motion, masked or not.
        jitter: Strengths, and what is drawn once a frame or once a clip.
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
    colours jittered by the n-th draw. With a static mask, frame q takes its
    place everywhere outside of the box (Eq. 3), colours included, as the
    mask is applied after the jitter.

    Args:
        image: Source image, (H, W, 3) uint8 RGB.
        plan: What to render; ``plan.source_size`` is (H, W).
        out: Where to write, ``plan.shape`` uint8, C-contiguous; a new array
            by default.
        other: Where ``plan.texture`` is ``'other'``, the source image of the
            foreground, of the same size.

    Returns:
        ``out``, or a new array: (C, N, L, L, 3) uint8 RGB, C-contiguous.

    Raises:
        ValueError: If the image is not what the plan was drawn for, or the
            clips do not fit into ``out``.
    """
    _check_image(image, plan)
    if out is None:
        out = np.empty(plan.shape, np.uint8)
    elif (
        out.dtype != np.uint8
        or out.shape != plan.shape
        or not out.flags.c_contiguous
    ):
        raise ValueError(
            f'out is {out.dtype} {out.shape}, but the clips are C-contiguous '
            f'uint8 {plan.shape}'
        )
    if not plan.is_plain:
        if plan.texture == 'other':
            if other is None:
                raise ValueError(
                    "the plan has texture='other': give render() the other "
                    'source image, or let mosi_collate or the device render'
                )
            _check_image(other, plan)
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
            # The frozen frame is written once and spread over the clip;
            # after it only the box of the other frames is left to do.
            q = int(cast(np.ndarray, plan.background)[c])
            copy_window(c, q, (0, 0, size, size))
            out[c, :q] = out[c, q]
            out[c, q + 1 :] = out[c, q]
            box = plan.boxes[c].tolist()
            clip_frames = [n for n in frames if n != q]
        for n in clip_frames:
            copy_window(c, n, box)
    return out


def _check_image(image: np.ndarray, plan: PseudoMotion) -> None:
    if (
        image.dtype != np.uint8
        or image.ndim != 3
        or image.shape != (*plan.source_size, 3)
    ):
        raise ValueError(
            f'image is {image.dtype} {image.shape}, but the plan was drawn '
            f'for uint8 {(*plan.source_size, 3)}: draw the motion after the '
            'source image has its final size'
        )


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


def check_motion(
    source_size: SizeLike, crop_size: int, clip_len: int
) -> tuple[int, int]:
    """Check sizes that do not depend on an image; return (H, W).

    Args:
        source_size: Side or (H, W) of the source image in pixels.
        crop_size: Side of the window in pixels.
        clip_len: Number of frames.

    Raises:
        ValueError: If the crop does not fit or ``clip_len`` is below 2.
    """
    pair = _pair(source_size)
    if len(pair) != 2:
        raise ValueError(
            f'source_size={source_size!r}: give one side or (height, width)'
        )
    height, width = pair
    for key, value in (
        ('source_size', height),
        ('source_size', width),
        ('crop_size', crop_size),
        ('clip_len', clip_len),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f'{key}={value!r}: must be a whole number')
    if crop_size < 1:
        raise ValueError(f'crop_size={crop_size}: must be at least 1 pixel')
    if crop_size > min(height, width):
        raise ValueError(
            f'crop_size={crop_size} does not fit into a source image of '
            f'{height}x{width} pixels: make CropSource.size larger or '
            'crop_size smaller'
        )
    if clip_len < 2:
        raise ValueError(
            f'clip_len={clip_len}: motion needs at least 2 frames'
        )
    return int(height), int(width)


def check_side_ratio(
    side_ratio: float | Sequence[float],
) -> tuple[float, float]:
    """Return a mask's (smallest, largest) side ratio, checked.

    Raises:
        ValueError: If it is not a number or a pair in (0, 1], ascending.
    """
    pair = _pair(side_ratio)
    if (
        len(pair) != 2
        or not all(isinstance(v, Real) for v in pair)
        or not 0 < pair[0] <= pair[1] <= 1
    ):
        raise ValueError(
            f'side_ratio={side_ratio!r}: give one ratio of the crop side or '
            '(smallest, largest), both in (0, 1]'
        )
    return float(pair[0]), float(pair[1])


def _pair(value: Any) -> tuple:
    """Return a single value twice, or several as a tuple."""
    return (value, value) if np.ndim(value) == 0 else tuple(value)
