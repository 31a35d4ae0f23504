"""Render plans of layers on the device, for a whole batch at once.

This is :func:`mosi_mmaction.method.render_layers.render_layers` in torch.
Integer shifts are gathered, everything else is one batched sampling per layer;
nothing waits for the device.

Letters: B images, C labels, N frames, L side of the crop, M = B C clips.
"""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .color import ColorParams
from .layers import Layer, layers_of
from .plan import PseudoMotion

#: Largest number of pixels that are sampled at a time.
_CHUNK = 2**24

#: Sends one array of every plan to a device, see ``render_torch``.
Send = Callable[[Sequence[np.ndarray], torch.dtype, torch.device], Tensor]
#: Applies the drawn colours to (B, C, N, L, L, 3), in place.
Recolor = Callable[[Tensor, Tensor, Tensor, Tensor, list], None]


def render_layers_batch(
    images: Tensor,
    plans: Sequence[PseudoMotion],
    send: Send,
    recolor: Recolor,
) -> Tensor:
    """Render the clips of a batch of plans of layers.

    Args:
        images: Source images, (B, H, W, 3) uint8.
        plans: B plans of one kind.
        send: Function that stacks arrays and sends them to the device.
        recolor: Function that colours clips, given images, windows (x, y)
            and the drawn parameters.

    Returns:
        (B, C, N, L, L, 3) uint8.
    """
    stacks = list(zip(*(layers_of(plan) for plan in plans)))
    out = None
    for stack in stacks:
        pixels = _pixels(images, plans, stack, send, recolor)
        if out is None:
            out = pixels
            continue
        alpha = _opacity(stack, plans[0].crop_size, images.device, send)
        front, back = pixels.int(), out.int()
        mixed = alpha * front + (255 - alpha) * back + 128
        out = ((mixed + (mixed >> 8)) >> 8).byte()
    return cast(Tensor, out)


def _pixels(
    images: Tensor,
    plans: Sequence[PseudoMotion],
    stack: Sequence[Layer],
    send: Send,
    recolor: Recolor,
) -> Tensor:
    """Return a layer of all clips, coloured, (B, C, N, L, L, 3) uint8."""
    device, size = images.device, plans[0].crop_size
    if stack[0].other:  # the image of the next sample
        images = images.roll(-1, 0)
    windows = send([x.windows for x in stack], torch.int64, device)
    x, y = windows.unbind(-1)  # (B, C, N)
    views = images.unfold(1, size, 1).unfold(2, size, 1).movedim(3, -1)
    image = torch.arange(len(stack), device=device)[:, None, None]
    # It is known here which clips are warped, without asking the device.
    warped = np.flatnonzero(np.stack([~s.whole for s in stack]).any(0))
    clips = views[image, y, x]  # (B, C, N, L, L, 3)
    colors = None
    if plans[0].color is not None:
        colors = [_of_draws(p, s) for p, s in zip(plans, stack)]
    if not len(warped):
        if colors is not None:
            recolor(clips, images, x, y, colors)
        return clips
    values = clips.float()
    chosen = torch.from_numpy(warped)
    if device.type == 'cuda':
        chosen = chosen.pin_memory()
    chosen = chosen.to(device, non_blocking=True)
    maps = send([s.maps[warped] for s in stack], torch.float32, device)
    values[:, chosen] = _sampled(images, maps, size)
    if colors is None:
        return values.round_().clamp_(0, 255).byte()
    recolor(values, images, x, y, colors)
    return values.byte()


def _of_draws(plan: PseudoMotion, layer: Layer) -> ColorParams:
    """Return the colours of each frame of a layer of a plan with colours."""
    assert plan.color is not None
    clips = np.arange(len(layer.draws))[:, None]
    return ColorParams(
        **{k: v[clips, layer.draws] for k, v in vars(plan.color).items()}
    )


def _grid(maps: Tensor, size: int) -> Tensor:
    """Return the position of each pixel, (..., L, L, 2) float32 (x, y)."""
    axis = torch.arange(size, device=maps.device, dtype=maps.dtype)
    linear, shift = maps[..., :2], maps[..., 2]
    column = axis[:, None] * linear[..., None, :, 0]  # (..., L, 2)
    row = axis[:, None] * linear[..., None, :, 1] + shift[..., None, :]
    return row[..., :, None, :] + column[..., None, :, :]


def _sampled(images: Tensor, maps: Tensor, size: int) -> Tensor:
    """Sample images by affine maps (B, C, N, 2, 3), with interpolation."""
    height, width = images.shape[1:3]
    planes = images.movedim(-1, 1).float()  # (B, 3, H, W)
    batch, clips, frames = maps.shape[:3]
    sides = torch.tensor([2 / width, 2 / height], dtype=maps.dtype)
    step = max(1, _CHUNK // (batch * frames * size**2))
    parts = []
    with torch.autocast(images.device.type, enabled=False):
        for some in maps.split(step, 1):
            grid = _grid(some, size)
            scaled = torch.stack(
                [(grid[..., i] + 0.5) * float(sides[i]) - 1 for i in range(2)],
                -1,
            )
            parts.append(
                F.grid_sample(
                    planes,
                    scaled.view(batch, -1, size, 2),
                    padding_mode='border',
                    align_corners=False,
                )
                .movedim(1, -1)
                .reshape(batch, -1, frames, size, size, 3)
            )
    return torch.cat(parts, 1)


def _opacity(
    stack: Sequence[Layer], size: int, device: torch.device, send: Send
) -> Tensor:
    """Return the opacity of a layer, (B, C, N, L, L, 1) int32."""
    alphas = [a for s in stack for a in cast(list, s.alphas)]
    side = max(len(a) for a in alphas)
    clips = len(cast(list, stack[0].alphas))
    padded = np.zeros((len(stack), clips, side, side), np.uint8)
    for place, alpha in zip(padded.reshape(-1, side, side), alphas):
        place[: len(alpha), : len(alpha)] = alpha
    mattes = send(list(padded), torch.float32, device)
    places = send(
        [cast(np.ndarray, s.places) for s in stack], torch.float32, device
    )
    there = send(
        [cast(np.ndarray, s.visible) for s in stack], torch.int32, device
    )
    with torch.autocast(device.type, enabled=False):
        grid = (_grid(places, size) + 0.5) * (2 / side) - 1
        frames = grid.shape[2]
        alpha = F.grid_sample(
            mattes.view(-1, 1, side, side),
            grid.view(-1, frames * size, size, 2),
            padding_mode='zeros',
            align_corners=False,
        )
    alpha = alpha.view(len(stack), clips, frames, size, size, 1)
    return alpha.round().int() * there[..., None, None, None]
