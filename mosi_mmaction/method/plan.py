"""The plan of a source image's clips: all that was drawn, and nothing else."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from .color import ColorParams
from .labels import LabelPool
from .mattes import Distractors, Matte
from .paths import Warp


@dataclass(frozen=True, eq=False)
class Camera:
    """The path of the background's window; no label depends on it.

    Attributes:
        offsets: Upper left corner (x, y) of the upright window in every
            frame, (C, N, 2) int64, in pixels of the source image.
        scale: Source pixels a crop pixel, about the crop's centre,
            (C, N) float64; 1 where it does not zoom.
        label: ``'absolute'``, labels are motions relative to the frame, or
            ``'relative'``, to the background.
    """

    offsets: np.ndarray
    scale: np.ndarray
    label: str = 'absolute'


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
