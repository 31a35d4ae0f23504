"""The plan of a source image's clips: everything drawn, and nothing else."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from .color import ColorParams
from .labels import LabelPool
from .mattes import Distractors, Matte
from .trajectories import Warp


@dataclass(frozen=True, eq=False)
class Camera:
    """The path of the background's window; no label depends on it.

    Attributes:
        offsets: Upper left corner (x, y) of the upright window in every
            frame, (C, N, 2) int64, in pixels of the source image.
        scale: Scale about the crop's centre, in source pixels per crop pixel,
            (C, N) float64; 1 without zoom.
        label: Reference of the labels: the frame, ``'absolute'``, or the
            background, ``'relative'``.
    """

    offsets: np.ndarray
    scale: np.ndarray
    label: str = 'absolute'


@dataclass(frozen=True, eq=False)
class PseudoMotion:
    """Everything drawn for the clips of one source image.

    Attributes:
        pool: Label pool, indexed by ``labels``.
        source_size: (H, W) of the source image in pixels.
        crop_size: Side L of the moving window in pixels.
        offsets: Upper left corner (x, y) of the window in every frame,
            (C, N, 2) int64, in pixels of the source image.
        boxes: Moving box, (x1, y1, x2, y2) in pixels of the crop, x2 and y2
            exclusive, (C, 4) int64; None without static mask. For a matte
            that travels, the box in the first frame.
        background: Frame q shown outside the box, (C,) int64; None without
            static mask, or with a camera.
        color: Colour jitter of every frame, arrays of (C, N); None without.
        drawn: Signed motion of every clip, (C, 6) int64, see
            :data:`mosi_mmaction.method.labels.COMPONENTS`; None if it is the
            pool's.
        warp: Zoom and rotation of the windows; None without.
        matte: Shape of the foreground in its box; None for the hard box of
            the paper.
        distractors: Shapes in the background; None without.
        camera: Path of the background, instead of a frame q; None without.
        texture: Image shown by the foreground: ``'same'``, or ``'other'`` for
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

        It is read from the drawn motion.
        """
        if self.drawn is None:
            return np.arange(len(self.pool))
        return self.pool.label_of(self.drawn)

    @property
    def is_plain(self) -> bool:
        """Whether the plan contains nothing beyond the paper."""
        return self.texture == 'same' and not any(
            (self.warp, self.matte, self.distractors, self.camera)
        )

    @property
    def frame_boxes(self) -> np.ndarray:
        """The box in every frame, (C, N, 4) int64, see ``boxes``.

        A box that travels moves with its content, opposite to the window, and
        may leave the frame.
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
