"""Render pseudo-motion on the device, for a whole batch at once.

This is :func:`mosi_mmaction.render` in torch. A worker then sends a source
image and its plan instead of nine clips, and :func:`render_batch` makes the
clips on the device. Nothing here waits for the device.

Letters: B images, C labels, N frames, L side of the crop in pixels, H and W
sides of the source image.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .color import LUMA, ColorParams
from .motion import PseudoMotion
from .render_layers_torch import render_layers_batch

#: Largest number of values that are jittered at a time: 256 MB of float32.
_CHUNK = 2**26

#: The luma weights as integers, so that sums over an image are exact.
_LUMA_UNIT = 1000
_LUMA = np.rint(LUMA * _LUMA_UNIT).astype(np.int64).tolist()


def render_batch(images: Tensor, plans: Sequence[PseudoMotion]) -> Tensor:
    """Render the clips of a batch of plans (Eq. 2, Eq. 3). Pure.

    The pixels are those of :func:`mosi_mmaction.render`: equal without colour
    jitter, at most one grey level apart with it, and at most two if pixels
    are interpolated. If plans have ``texture='other'``, the foreground of a
    sample shows the image of the next one, and that of the last sample shows
    the first.

    Args:
        images: Source images, (B, 3, H, W) uint8 RGB; fastest as a
            permuted (B, H, W, 3).
        plans: B plans of one kind, which differ only in what was drawn.

    Returns:
        (B, C, 3, N, L, L) uint8 RGB on the device of ``images``, with the
        memory layout of a contiguous (B, C, N, L, L, 3).

    Raises:
        ValueError: If images and plans do not match.
    """
    _check(images, plans)
    device, size = images.device, plans[0].crop_size
    images = images.movedim(1, -1).contiguous()  # (B, H, W, 3)
    if not plans[0].is_plain:
        clips = render_layers_batch(images, plans, _send, _jitter)
        return clips.movedim(-1, 2)
    x, y = _send([p.offsets for p in plans], torch.int64, device).unbind(
        -1
    )  # (B, C, N)
    # A view of all windows of all images; indexing it copies whole windows.
    # (B, H - L + 1, W - L + 1, L, L, 3)
    windows = images.unfold(1, size, 1).unfold(2, size, 1).movedim(3, -1)
    image = torch.arange(len(plans), device=device)[:, None, None]
    clips = windows[image, y, x]  # (B, C, N, L, L, 3)
    if plans[0].color is not None:
        colors = [cast(ColorParams, p.color) for p in plans]
        _jitter(clips, images, x, y, colors)
    if plans[0].boxes is not None:
        clips = _mask(clips, plans)
    return clips.movedim(-1, 2)


def _send(
    arrays: Sequence[np.ndarray], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Stack one array of every plan and send it without waiting."""
    tensor = torch.from_numpy(np.stack(arrays)).to(dtype)
    if device.type == 'cuda':
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def _mask(clips: Tensor, plans: Sequence[PseudoMotion]) -> Tensor:
    """Show frame q outside the box (Eq. 3)."""
    drawn = _send(
        [np.c_[p.boxes, p.background] for p in plans],
        torch.int64,
        clips.device,
    )  # (B, C, 5)
    x1, y1, x2, y2, q = drawn[..., None].unbind(-2)  # (B, C, 1)
    row = torch.arange(clips.shape[-2], device=clips.device)  # (L,)
    column = row.repeat_interleave(3)  # of every colour value, (3L,)
    inside = ((row >= y1) & (row < y2))[..., :, None] & (
        (column >= x1) & (column < x2)
    )[..., None, :]
    values = clips.flatten(-2)  # (B, C, N, L, 3L)
    still = values.take_along_dim(q[..., None, None], 2)
    return torch.where(inside[:, :, None], values, still).view_as(clips)


def _jitter(
    clips: Tensor,
    images: Tensor,
    x: Tensor,
    y: Tensor,
    colors: Sequence[ColorParams],
) -> None:
    """Apply one affine map per frame to the clips, in place."""
    # With a mean luma of one grey level, the offset is its factor.
    ones = np.ones(x.shape[1:])
    maps = _send(
        [c.matrices(ones) for c in colors],
        torch.float32,
        clips.device,
    )  # (B, C, N, 3, 4)
    luma = _window_luma(images, x, y, clips.shape[-2])
    pixels = clips.view(-1, clips.shape[-2] ** 2, 3)  # (BCN, LL, 3)
    maps = maps.view(-1, 1, 3, 4)
    red, green, blue, offset = maps.unbind(-1)  # (BCN, 1, 3)
    offset = (offset * luma.view(-1, 1, 1)).float()
    step = max(1, _CHUNK // pixels[0].numel())
    # Elementwise sums and products: a matrix product would be rounded to
    # bfloat16 under autocast, and to TF32 if that is enabled.
    for some in (slice(i, i + step) for i in range(0, len(pixels), step)):
        r, g, b = pixels[some].split(1, -1)  # (some, LL, 1)
        value = torch.addcmul(offset[some], red[some], r)  # float32
        value.addcmul_(green[some], g).addcmul_(blue[some], b)
        pixels[some] = value.round_().clamp_(0, 255)


def _window_luma(images: Tensor, x: Tensor, y: Tensor, size: int) -> Tensor:
    """Return the mean luma of the windows, (B, C, N) float64."""
    table = sum(w * images[..., i].long() for i, w in enumerate(_LUMA))
    table = table.cumsum(1).cumsum(2)  # exact, unlike in floating point
    table = F.pad(table, (1, 0, 1, 0))
    image = torch.arange(len(images), device=images.device)[:, None, None]
    total = (
        table[image, y + size, x + size]
        - table[image, y, x + size]
        - table[image, y + size, x]
        + table[image, y, x]
    )
    return total.double() / (_LUMA_UNIT * size**2)


def _check(images: Tensor, plans: Sequence[PseudoMotion]) -> None:
    kinds = {
        (
            p.pool,
            p.source_size,
            p.shape,
            p.boxes is None,
            p.color is None,
            p.is_plain,
            p.texture,
            p.camera is None,
            0 if p.distractors is None else p.distractors.corners.shape[1],
        )
        for p in plans
    }
    if len(kinds) != 1:
        raise ValueError(
            f'{len(kinds)} kinds of plans in one batch: all images of a '
            'batch need the same size, labels, clip length and crop, and '
            'all or none a mask and a colour jitter'
        )
    expected = (len(plans), 3, *plans[0].source_size)
    if images.dtype != torch.uint8 or images.shape != expected:
        raise ValueError(
            f'images are {images.dtype} {tuple(images.shape)}, but the '
            f'plans were drawn for torch.uint8 {expected}: draw the motion '
            'after the source image has its final size'
        )
