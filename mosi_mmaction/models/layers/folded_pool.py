"""3D max pooling of one axis or of frames, computed in two dimensions.

``MaxPool3d`` of (1, k, k), used in the stem of MMAction2's 3D ResNets, pools
every frame separately; that of (k, 1, 1) pools every pixel along time. Both
are ``max_pool2d`` of a view. On a GPU, the gradient of ``max_pool2d`` is
deterministic in every version of torch, that of ``max_pool3d`` only in recent
ones.

``AdaptiveAvgPool3d(1)``, the last layer of these networks, needs no
counterpart: torch computes it as a mean, including its gradient.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fold_pooling(model: nn.Module) -> int:
    """Fold the factorised 3D max pools of a network, in place.

    Values and gradients do not change, to the bit. Only plain (1, k, k) and
    (k, 1, 1) pools are folded.

    Args:
        model: The network.

    Returns:
        Number of max pools that were changed.
    """
    count = 0
    for module in model.modules():
        # MMCV has a subclass with the same behaviour and name.
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
    """Return whether it pools only space, and whether only time."""
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
            # One row per frame, one column per pixel.
            sides = zip(time, (1, 1, 0, 1))
            return F.max_pool2d(x.flatten(3), *sides).unflatten(3, x.shape[3:])
        # A view as images, without a copy: in channels_last_3d a frame is an
        # image of C channels, otherwise a channel is an image of T channels.
        last = x.is_contiguous(memory_format=torch.channels_last_3d)
        x = x[:, :, :: time[1]]
        if last:
            x = x.contiguous(memory_format=torch.channels_last_3d)
            x = x.transpose(1, 2)
        out = F.max_pool2d(x.flatten(0, 1), *zip(*space))
        out = out.unflatten(0, x.shape[:2])
        return out.transpose(1, 2) if last else out
