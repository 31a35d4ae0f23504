"""Render plans of layers, one clip after the other. Pure.

Integer shifts are copied, as in the paper's plans; everything else is one
affine warp per layer and frame. Colours are applied to a layer's pixels,
and rounded once, before the layer is composited over those behind it.

The cost is that of passes and calls: only the box of a matte is painted, hard
mattes are copied, and all parts are computed in the same, small memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import cast

import cv2
import numpy as np

from .blending import Scratch, Side, blend, opacities
from .color import ColorParams, luma_table, table_luma
from .layers import Layer, layers_of
from .plan import PseudoMotion

_WARP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
#: Beyond the image, its nearest pixel; beyond a matte, 0.
_NEAREST, _ZERO = cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT
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
    scratch = Scratch(plan.crop_size)
    first = _Source(image)
    second = None if other is None else _Source(other)
    layers = layers_of(plan)
    sources = [cast(_Source, second if x.other else first) for x in layers]
    colors = _colors(plan, layers, sources)
    background = _Painter(sources[0], layers[0], colors[0], None, scratch)
    covers = []
    for source, layer, matrices in zip(sources[1:], layers[1:], colors[1:]):
        matte = _Matte(layer, plan.crop_size, scratch)
        corners = matte.rects[..., :2]
        painter = _Painter(source, layer, matrices, corners, scratch)
        covers.append((matte, painter))
    frozen = plan.boxes is not None and plan.camera is None
    for c, clip in enumerate(out):
        if frozen:
            # Written once and copied over the clip.
            background.fill(c, clip[:1])
            clip[1:] = clip[0]
        else:
            background.fill(c, clip)
        for matte, painter in covers:
            matte.lay_over(clip, c, painter)
    return out


class _Source:
    """A source image, and what all of its layers share.

    Args:
        image: Source image, (H, W, 3) uint8.
    """

    def __init__(self, image: np.ndarray) -> None:
        self.image = np.ascontiguousarray(image)

    @cached_property
    def fine(self) -> np.ndarray:
        """The image in steps for interpolation, (H, W, 3) uint16."""
        return np.multiply(self.image, _STEPS, dtype=np.uint16)

    @cached_property
    def luma_table(self) -> np.ndarray:
        """Its summed-area table."""
        return luma_table(self.image)


def _colors(
    plan: PseudoMotion, layers: Sequence[Layer], sources: Sequence[_Source]
) -> Sequence[np.ndarray | None]:
    """Return the drawn jitter of each layer, (C, N, 3, 4) float32."""
    if plan.color is None:
        return [None] * len(layers)
    luma = [
        table_luma(source.luma_table, layer.windows, plan.crop_size)
        for source, layer in zip(sources, layers)
    ]
    # The luma of a window belongs to the colours of its own frame.
    draws = np.stack([layer.draws for layer in layers])
    clips = np.arange(draws.shape[1])[:, None]
    chosen = ColorParams(
        **{k: v[clips, draws] for k, v in vars(plan.color).items()}
    )
    return list(chosen.matrices(np.stack(luma)))


class _Painter:
    """Paints parts of the frames of a layer, with their colours.

    Args:
        source: Source image of the layer.
        layer: Layer to paint.
        matrices: Its colours, (C, N, 3, 4) float32; None without.
        corners: Upper left corner (x, y) of the part of each frame, (C, N, 2)
            int; None for whole frames.
        scratch: Memory for what is computed.
    """

    def __init__(
        self,
        source: _Source,
        layer: Layer,
        matrices: np.ndarray | None,
        corners: np.ndarray | None,
        scratch: Scratch,
    ) -> None:
        self._source, self._scratch = source, scratch
        self._maps = _moved(layer.maps, corners)
        self._shifts = self._maps[..., 2].astype(int)
        self._whole = layer.whole.tolist()
        self._matrices, self._fine_matrices = matrices, None
        if matrices is not None and not all(self._whole):
            # To 256 steps a level. With this offset, the high byte is the
            # nearest level of 0 to 255, as OpenCV saturates to 16 bits.
            self._fine_matrices = 256 * matrices
            self._fine_matrices[..., :3] /= _STEPS
            self._fine_matrices[..., 3] += 127.5

    def fill(self, c: int, clip: np.ndarray) -> None:
        """Paint the first frames of a clip, (n, L, L, 3), as a whole."""
        side = clip.shape[2], clip.shape[1]
        memory = self._scratch.patch(side)
        if not self._whole[c]:
            for n, frame in enumerate(clip):
                self._warp(c, n, side, frame, memory.fine)
            return
        # NumPy copies a row at once if it is one element.
        windows = _rows_of_windows(self._source.image, side)
        shifts = self._shifts[c, : len(clip)].tolist()
        if self._matrices is None:
            for (x, y), frame in zip(shifts, _rows(clip)):
                frame[...] = windows[y, x]
            return
        # Copied first, see apply_color.
        pixels, rows = memory.pixels, _rows(memory.pixels)
        for (x, y), frame, m in zip(shifts, clip, self._matrices[c]):
            rows[...] = windows[y, x]
            cv2.transform(pixels, m, frame)

    def patches(
        self, c: int, frames: np.ndarray, sides: Sequence[Side]
    ) -> Iterable[np.ndarray]:
        """Return the parts of some frames of a clip, in turn.

        Args:
            c: Index of the clip.
            frames: Indices of the frames, (n,) int.
            sides: Side of the part of each frame.

        Returns:
            One array per frame, (h, w, 3) uint8, valid until the next one:
            a view of the source image, or memory for ``pixels``.
        """
        views = self._views(c, frames, sides)
        if views is None:
            return self._warped(c, frames, sides)
        if self._matrices is None:
            return views
        return self._colored(views, self._matrices[c, frames], sides)

    def _views(
        self, c: int, frames: np.ndarray, sides: Sequence[Side]
    ) -> list[np.ndarray] | None:
        if not self._whole[c]:
            return None
        shifts = self._shifts[c, frames].tolist()
        return _parts(self._source.image, shifts, sides)

    def _colored(
        self,
        views: Iterable[np.ndarray],
        matrices: np.ndarray,
        sides: Sequence[Side],
    ) -> Iterator[np.ndarray]:
        for view, matrix, side in zip(views, matrices, sides):
            pixels = self._scratch.patch(side).pixels
            pixels[...] = view  # first, see apply_color
            yield cv2.transform(pixels, matrix, pixels)

    def _warped(
        self, c: int, frames: np.ndarray, sides: Sequence[Side]
    ) -> Iterator[np.ndarray]:
        for n, side in zip(frames.tolist(), sides):
            memory = self._scratch.patch(side)
            self._warp(c, n, side, memory.pixels, memory.fine)
            yield memory.pixels

    def _warp(
        self, c: int, n: int, side: Side, into: np.ndarray, fine: np.ndarray
    ) -> None:
        source, matrix = self._source, self._maps[c, n]
        if self._fine_matrices is None:
            cv2.warpAffine(source.image, matrix, side, into, _WARP, _NEAREST)
            return
        cv2.warpAffine(source.fine, matrix, side, fine, _WARP, _NEAREST)
        cv2.transform(fine, self._fine_matrices[c, n], fine)
        np.right_shift(fine, 8, out=fine)
        np.copyto(into, fine, casting='unsafe')


class _Matte:
    """The mattes of a layer, and how to composite it over a clip.

    Args:
        layer: Layer with mattes.
        size: Side of a crop in pixels.
        scratch: Memory for what is computed.

    Attributes:
        rects: Part (x1, y1, x2, y2) of each frame that may show the matte,
            (C, N, 4) int.
    """

    def __init__(self, layer: Layer, size: int, scratch: Scratch) -> None:
        self._scratch = scratch
        # A layer has all of these or none.
        assert layer.alphas is not None and layer.visible is not None
        assert layer.places is not None and layer.placed is not None
        self._alphas, self._soft = layer.alphas, layer.soft
        self._placed = layer.placed
        self.rects = self._find_rects(layer.places, size)
        self._places = _moved(layer.places, self.rects[..., :2])
        self._shifts = self._places[..., 2].astype(int)
        low, high = self.rects[..., :2], self.rects[..., 2:]
        self._shown = layer.visible & (low < high).all(-1)
        # Visible in all frames, at one place.
        one = (self.rects == self.rects[:, :1]).all((1, 2))
        self._stays = self._shown.all(1) & one

    def _find_rects(self, places: np.ndarray, size: int) -> np.ndarray:
        sides = np.array([len(a) for a in self._alphas])[:, None, None]
        low = -places[..., 2]  # (C, N, 2), where they are shifts
        ends = np.concatenate([low, low + sides], -1)
        turned = np.flatnonzero(~self._placed)
        if len(turned):
            places = places[turned]  # (T, N, 2, 3)
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
        return ends.clip(0, size).astype(int)

    def lay_over(self, clip: np.ndarray, c: int, painter: _Painter) -> None:
        """Composite a clip's layer over its frames, (N, L, L, 3)."""
        frames = np.flatnonzero(self._shown[c])
        if self._stays[c]:
            x1, y1, x2, y2 = self.rects[c, 0].tolist()
            sides = [(x2 - x1, y2 - y1)] * len(frames)
            under = list(clip[:, y1:y2, x1:x2])
        else:
            rects = self.rects[c, frames].tolist()
            sides = [(x2 - x1, y2 - y1) for x1, y1, x2, y2 in rects]
            under = [
                clip[n, y1:y2, x1:x2]
                for n, (x1, y1, x2, y2) in zip(frames.tolist(), rects)
            ]
        patches = painter.patches(c, frames, sides)
        alpha = self._alphas[c]
        if not self._placed[c]:
            self._blend_warped(c, frames, patches, under, sides)
        elif self._soft:
            weights, rests = (
                self._cut(x, c, frames, sides) for x in opacities(alpha)
            )
            for patch, place, weight, rest, side in zip(
                patches, under, weights, rests, sides
            ):
                total = self._scratch.patch(side).total
                blend(patch, place, weight, rest, total)
        elif cv2.countNonZero(alpha) == alpha.size:
            for patch, place in zip(patches, under):
                place[...] = patch
        else:
            masks = self._cut(alpha, c, frames, sides)
            for patch, mask, place in zip(patches, masks, under):
                cv2.copyTo(patch, mask, place)

    def _blend_warped(
        self,
        c: int,
        frames: np.ndarray,
        patches: Iterable[np.ndarray],
        under: Sequence[np.ndarray],
        sides: Sequence[Side],
    ) -> None:
        alpha = self._alphas[c]
        for patch, place, side, matrix in zip(
            patches, under, sides, self._places[c, frames]
        ):
            _, _, matte, weight, rest, total = self._scratch.patch(side)
            cv2.warpAffine(alpha, matrix, side, matte, _WARP, _ZERO)
            opacities(matte, weight, rest)
            blend(patch, place, weight, rest, total)

    def _cut(
        self,
        matte: np.ndarray,
        c: int,
        frames: np.ndarray,
        sides: Sequence[Side],
    ) -> list[np.ndarray]:
        """Return the part of a matte that each frame shows."""
        if sides.count(matte.shape[1::-1]) == len(sides):
            return [matte] * len(sides)
        return _parts(matte, self._shifts[c, frames].tolist(), sides)


def _parts(
    image: np.ndarray, corners: list[list[int]], sides: Sequence[Side]
) -> list[np.ndarray]:
    """Return parts of an image, given their corners (x, y)."""
    return [
        image[y : y + h, x : x + w] for (x, y), (w, h) in zip(corners, sides)
    ]


def _rows(images: np.ndarray) -> np.ndarray:
    """Return C-contiguous images (..., h, w, 3) as rows, (..., h) void."""
    *shape, width, channels = images.shape
    row = np.dtype((np.void, width * channels))
    return images.reshape(*shape, width * channels).view(row)[..., 0]


def _rows_of_windows(image: np.ndarray, side: Side) -> np.ndarray:
    """Return all windows of an image by their corner, (y, x, h) void."""
    height, width, channels = image.shape
    step = image.strides[0]
    return np.ndarray(
        (height - side[1] + 1, width - side[0] + 1, side[1]),
        np.dtype((np.void, side[0] * channels)),
        image,
        strides=(step, channels, step),
    )


def _moved(maps: np.ndarray, corners: np.ndarray | None) -> np.ndarray:
    """Return maps (C, N, 2, 3) that start at corners (C, N, 2)."""
    if corners is None:
        return maps
    out = maps.copy()
    for axis in range(2):
        out[..., 2] += maps[..., axis] * corners[..., axis, None]
    return out
