"""Render plans of layers, one clip after the other. Pure.

Integer shifts are copied, as in the paper's plans; everything else is one
affine warp per layer and frame. Colours are applied to a layer's pixels,
and rounded once, before the layer is composited over those behind it.

The cost is that of passes and calls: only the box of a matte is painted, hard
mattes are copied, and soft ones are blended for all frames of a clip at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import cv2
import numpy as np

from .color import ColorParams, apply_color, window_luma
from .layers import Layer, layers_of
from .plan import PseudoMotion

Rect = Sequence[int]
_WARP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
#: Steps per grey level of pixels that are interpolated before colours are
#: applied: 255 levels just fit into 16 bits.
_STEPS = 257


def render_layers(
    image: np.ndarray,
    plan: PseudoMotion,
    out: np.ndarray,
    other: np.ndarray | None = None,
) -> np.ndarray:
    """Render the clips of a plan.

    Args:
        image: Source image, (H, W, 3) uint8 RGB.
        plan: Plan to render.
        out: Array to write to, (C, N, L, L, 3) uint8.
        other: Source image of the foreground, if the plan uses another one.

    Returns:
        ``out``.
    """
    ground, *layers = [
        _Painter(
            cast(np.ndarray, other) if layer.other else image,
            layer,
            plan.color,
            plan.crop_size,
        )
        for layer in layers_of(plan)
    ]
    covers = [_Cover(painter.layer, plan.crop_size) for painter in layers]
    mixer = _Mixer()
    frames = list(range(plan.clip_len))
    rects = [(0, 0, plan.crop_size, plan.crop_size)] * plan.clip_len
    frozen = plan.boxes is not None and plan.camera is None
    for c, clip in enumerate(out):
        if frozen:
            # Written once and copied over the clip.
            ground.paint(c, [0], rects[:1], clip)
            clip[1:] = clip[0]
        else:
            ground.paint(c, frames, rects, clip)
        for painter, cover in zip(layers, covers):
            cover.lay_over(clip, c, painter, mixer)
    return out


class _Painter:
    """Paints parts of the frames of a layer, with their colours.

    Args:
        image: Source image, (H, W, 3) uint8.
        layer: Layer to paint.
        color: Drawn jitter of the plan, or None.
        size: Side of a crop in pixels.
    """

    def __init__(
        self,
        image: np.ndarray,
        layer: Layer,
        color: ColorParams | None,
        size: int,
    ) -> None:
        self.image, self.layer = image, layer
        self._shifts = layer.maps[..., 2].astype(int).tolist()
        self._whole = layer.whole.tolist()
        self._matrices = None
        if color is None:
            return
        luma = window_luma(image, layer.windows, size)
        # The luma of a window belongs to the colours of its own frame.
        clips = np.arange(len(luma))[:, None]
        draws = ColorParams(
            **{k: v[clips, layer.draws] for k, v in vars(color).items()}
        )
        self._matrices = draws.matrices(luma)
        if not all(self._whole):
            self._fine = image.astype(np.uint16)
            self._fine *= _STEPS
            self._fine_matrices = self._matrices.copy()
            self._fine_matrices[..., :3] /= _STEPS

    def paint(
        self, c: int, frames: list[int], rects: list[Rect], into: np.ndarray
    ) -> None:
        """Paint parts of some frames of a clip, one to each of ``into``."""
        patches = self.patches(c, frames, rects, into)
        if self._whole[c] and self._matrices is None:
            for place, patch in zip(into, patches):
                place[...] = patch
        else:  # it is written to while it is painted
            for _ in patches:
                pass

    def patches(
        self,
        c: int,
        frames: list[int],
        rects: list[Rect],
        into: Iterable[np.ndarray | None],
    ) -> Iterable[np.ndarray]:
        """Return parts (x1, y1, x2, y2) of some frames of a clip, in turn.

        Args:
            c: Index of the clip.
            frames: Indices of the frames.
            rects: One part of each frame.
            into: C-contiguous arrays to write to, if anything is computed;
                parts that are only copied are views of the source image.
        """
        if not self._whole[c]:
            return self._warped(c, frames, rects, into)
        image, shifts = self.image, self._shifts[c]
        views = [
            image[y + y1 : y + y2, x + x1 : x + x2]
            for (x, y), (x1, y1, x2, y2) in zip(
                map(shifts.__getitem__, frames), rects
            )
        ]
        if self._matrices is None:
            return views
        matrices = self._matrices[c, frames]
        return map(apply_color, views, matrices, into)

    def _warped(
        self,
        c: int,
        frames: list[int],
        rects: list[Rect],
        into: Iterable[np.ndarray | None],
    ) -> Iterator[np.ndarray]:
        image, matrices = self.image, self._matrices
        maps = _moved(self.layer.maps[c, frames], rects)
        for n, matrix, rect, place in zip(frames, maps, rects, into):
            side = (rect[2] - rect[0], rect[3] - rect[1])
            if matrices is None:
                yield _warp(image, matrix, side, place)
                continue
            patch = _warp(self._fine, matrix, side)
            # Saturates below 0; values above 255 do in the next line.
            cv2.transform(patch, self._fine_matrices[c, n], dst=patch)
            yield cv2.convertScaleAbs(patch, dst=place)


class _Cover:
    """The mattes of a layer, and how to composite it over a clip.

    Args:
        layer: Layer with mattes.
        size: Side of a crop in pixels.
    """

    def __init__(self, layer: Layer, size: int) -> None:
        self.alphas = cast(list, layer.alphas)
        self._places = cast(np.ndarray, layer.places)
        self._placed = cast(np.ndarray, layer.placed).tolist()
        self._visible = cast(np.ndarray, layer.visible).tolist()
        self._shifts = self._places[..., 2].astype(int).tolist()
        self._rects = self._find_rects(size)
        # A box inside the frame that neither moves nor flickers.
        moves = (self._places != self._places[:, :1]).any((1, 2, 3))
        flickers = ~cast(np.ndarray, layer.visible).all(1)
        self._stays = (~moves & ~flickers).tolist()

    def _find_rects(self, size: int) -> list[list[Rect]]:
        """Return the part of every frame that may show a matte."""
        sides = np.array([len(a) for a in self.alphas])[:, None, None]
        low = -self._places[..., 2]  # (C, N, 2), where they are shifts
        ends = np.concatenate([low, low + sides], -1)
        turned = np.flatnonzero(~np.array(self._placed))
        if len(turned):
            places = self._places[turned]  # (T, N, 2, 3)
            side = sides[turned, 0]
            low = np.full_like(side, -1)
            box = np.stack(
                [
                    np.concatenate([low, side, low, side], -1),
                    np.concatenate([low, low, side, side], -1),
                ],
                1,
            )[:, None]  # (T, 1, 2, 4)
            inverse = np.linalg.inv(places[..., :2])
            corners = inverse @ (box - places[..., 2:])  # (T, N, 2, 4)
            ends[turned, :, :2] = np.floor(corners.min(-1))
            ends[turned, :, 2:] = np.ceil(corners.max(-1)) + 1
        return ends.clip(0, size).astype(int).tolist()

    def lay_over(
        self, clip: np.ndarray, c: int, painter: _Painter, mixer: '_Mixer'
    ) -> None:
        """Composite a clip's layer over its frames, (N, L, L, 3)."""
        alpha, rects = self.alphas[c], self._rects[c]
        frames = list(range(len(rects)))
        if self._stays[c]:
            x1, y1, x2, y2 = rects[0]
            under = list(clip[:, y1:y2, x1:x2])
        else:
            visible = self._visible[c]
            frames = [
                n
                for n, (x1, y1, x2, y2) in enumerate(rects)
                if visible[n] and x1 < x2 and y1 < y2
            ]
            if not frames:
                return
            rects = [rects[n] for n in frames]
            under = [
                clip[n, y1:y2, x1:x2]
                for n, (x1, y1, x2, y2) in zip(frames, rects)
            ]
        patches = painter.patches(c, frames, rects, [None] * len(frames))
        if not self._placed[c]:
            solid = cv2.merge([alpha] * 3)
            maps = _moved(self._places[c, frames], rects)
            weights = [
                _warp(solid, m, (r[2] - r[0], r[3] - r[1]), None, 0)
                for m, r in zip(maps, rects)
            ]
            mixer.mix(patches, under, weights)
            return
        shifts = self._shifts[c]
        soft = (alpha + np.uint8(1)).max() > 1  # not only 0 and 255
        solid = cv2.merge([alpha] * 3) if soft else alpha
        if self._stays[c]:
            (x, y), (x1, y1, x2, y2) = shifts[0], rects[0]
            masks = [solid[y + y1 : y + y2, x + x1 : x + x2]] * len(frames)
        else:
            masks = [
                solid[y + y1 : y + y2, x + x1 : x + x2]
                for (x, y), (x1, y1, x2, y2) in zip(
                    map(shifts.__getitem__, frames), rects
                )
            ]
        if soft:
            mixer.mix(patches, under, masks)
        elif cv2.countNonZero(alpha) == alpha.size:
            for patch, place in zip(patches, under):
                place[...] = patch
        else:
            for patch, place, mask in zip(patches, under, masks):
                cv2.copyTo(patch, mask, place)


class _Mixer:
    """Blends layers in integers, to the nearest level; reuses its memory."""

    def __init__(self) -> None:
        self._memory = np.empty((3, 0), np.uint16)

    def mix(
        self,
        patches: Iterable[np.ndarray],
        under: list[np.ndarray],
        weights: list[np.ndarray],
    ) -> None:
        """Blend patches into the pixels under them.

        Args:
            patches: One per frame, (h, w, 3) uint8 of any h and w.
            under: Pixels under each patch, which are written to.
            weights: Opacity of each patch, of the same shape.
        """
        ends = np.cumsum([0] + [place.size for place in under]).tolist()
        if self._memory.shape[1] < ends[-1]:
            self._memory = np.empty((3, ends[-1]), np.uint16)
        front, back, weight = self._memory[:, : ends[-1]]
        spans = [slice(a, b) for a, b in zip(ends, ends[1:])]
        for span, patch, place, opacity in zip(spans, patches, under, weights):
            front[span].reshape(patch.shape)[...] = patch
            back[span].reshape(patch.shape)[...] = place
            weight[span].reshape(patch.shape)[...] = opacity
        front *= weight
        np.subtract(255, weight, out=weight)
        back *= weight
        front += back
        front += 128
        np.right_shift(front, 8, out=back)
        front += back
        front >>= 8  # with the last two lines a division by 255
        for span, place in zip(spans, under):
            place[...] = front[span].reshape(place.shape)


def _warp(
    image: np.ndarray,
    matrix: np.ndarray,
    side: tuple[int, int],
    into: np.ndarray | None = None,
    beyond: int | None = None,
) -> np.ndarray:
    """Sample an image; outside it, use the nearest pixel or a value."""
    border = cv2.BORDER_REPLICATE if beyond is None else cv2.BORDER_CONSTANT
    return cv2.warpAffine(
        image, matrix, side, dst=into, flags=_WARP, borderMode=border
    )


def _moved(maps: np.ndarray, rects: list[Rect]) -> np.ndarray:
    """Return maps (n, 2, 3) that start at the corners of rects."""
    corners = np.array(rects)[:, :2, None]
    shifts = maps[..., 2:] + maps[..., :2] @ corners
    return np.concatenate([maps[..., :2], shifts], -1)
