"""3D max pooling of one axis or of frames, computed in two dimensions.

``MaxPool3d`` of (1, k, k), the stem's of MMAction2's 3D ResNets, pools every
frame for itself, that of (k, 1, 1) every pixel along time: both are
``max_pool2d`` of a view, whose gradient on a GPU is deterministic in every
version of torch, and that of ``max_pool3d`` in recent ones only.

``AdaptiveAvgPool3d(1)``, which ends these networks, needs no counterpart:
torch computes it as a mean, gradient included.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fold_pooling(model: nn.Module) -> int:
    """Let the factorised 3D max pools of a network compute folded.

    In place; values and gradients stay as they are, to the bit. What is no
    plain (1, k, k) or (k, 1, 1) is left alone.

    Args:
        model: Network.

    Returns:
        Number of max pools that were changed.
    """
    count = 0
    for module in model.modules():
        # MMCV has a subclass of the same behaviour and name.
        if (
            isinstance(module, nn.MaxPool3d)
            and type(module).__name__ == 'MaxPool3d'
            and any(_factors(module))
            and not module.return_indices
            and not module.ceil_mode
        ):
            module.__class__ = FoldedMaxPool3d
            count += 1
    return count


def _triple(value: int | tuple) -> tuple:
    return value if isinstance(value, tuple) else (value,) * 3


def _settings(pool: nn.MaxPool3d) -> list[tuple]:
    """Return (kernel, stride, padding, dilation) of time, height, width."""
    values = pool.kernel_size, pool.stride, pool.padding, pool.dilation
    return list(zip(*map(_triple, values)))


def _factors(pool: nn.MaxPool3d) -> tuple[bool, bool]:
    """Return whether it pools space alone, and whether time alone."""
    time, *space = _settings(pool)
    return time[0] == 1, all(side[:2] == (1, 1) for side in space)


class FoldedMaxPool3d(nn.MaxPool3d):
    """A max pool of (1, k, k) or (k, 1, 1), computed in two dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """Pool.

        Args:
            x: (B, C, T, H, W).

        Returns:
            (B, C, T', H', W') in the memory format of ``x``.
        """
        time, *space = _settings(self)
        if time[0] != 1:
            # A row a frame, a column a pixel.
            sides = zip(time, (1, 1, 0, 1))
            return F.max_pool2d(x.flatten(3), *sides).unflatten(3, x.shape[3:])
        # The view of images that copies nothing: in channels_last_3d a
        # frame is an image of C channels, else a channel one of T.
        last = x.is_contiguous(memory_format=torch.channels_last_3d)
        x = x[:, :, :: time[1]]
        if last:
            x = x.contiguous(memory_format=torch.channels_last_3d)
            x = x.transpose(1, 2)
        out = F.max_pool2d(x.flatten(0, 1), *zip(*space))
        out = out.unflatten(0, x.shape[:2])
        return out.transpose(1, 2) if last else out
