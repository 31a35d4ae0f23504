"""The inner widths of R(2+1)D, padded to multiples of 8 at run time.

The paper chooses the widths between a spatial and a temporal convolution to
match the parameters of a 3D one: 83, 230, 460, 921. Matrix units of GPUs
process bfloat16 in groups of 8 channels, and other widths cost a copy or a
slower kernel. Additional zero channels change nothing: batch norm with a
weight of 0 leaves them 0, and the temporal convolution multiplies them by 0.
Parameters, buffers and checkpoints are unchanged.
"""

import torch
import torch.nn.functional as F
from mmaction.models.common import Conv2plus1d
from torch import Tensor, nn
from torch.func import functional_call

_MULTIPLE = 8


def pad_widths(model: nn.Module) -> int:
    """Pad the (2+1)D convolutions of odd inner width, in place.

    Only stock ``Conv2plus1d`` layers are changed whose batch norm is plain
    and keeps running statistics.

    Args:
        model: The network.

    Returns:
        Number of (2+1)D convolutions that were changed.
    """
    count = 0
    for module in model.modules():
        if (
            type(module) is Conv2plus1d
            and module.conv_s.out_channels % _MULTIPLE
            and type(module.bn_s) is nn.BatchNorm3d
            and module.bn_s.affine
            and module.bn_s.running_mean is not None
            and module.bn_s.momentum is not None
        ):
            module.__class__ = PaddedConv2plus1d
            count += 1
    return count


class PaddedConv2plus1d(Conv2plus1d):
    """A (2+1)D convolution that computes with a multiple of 8 channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve in space, normalise, convolve in time.

        Args:
            x: (B, C, T, H, W).

        Returns:
            (B, C', T', H', W').
        """
        more = -self.conv_s.out_channels % _MULTIPLE
        inner = {'weight': _rows(self.conv_s.weight, more)}
        if self.conv_s.bias is not None:
            inner['bias'] = _rows(self.conv_s.bias, more)
        x = functional_call(self.conv_s, inner, x)
        x = self.relu(self._normalise(x, more))
        # Zero weights for the zero channels.
        weight = F.pad(self.conv_t.weight, (0, 0) * 3 + (0, more))
        return functional_call(self.conv_t, {'weight': weight}, x)

    def _normalise(self, x: Tensor, more: int) -> Tensor:
        norm = self.bn_s
        mean = _rows(norm.running_mean, more)
        variance = F.pad(norm.running_var, (0, more), value=1.0)
        x = F.batch_norm(
            x,
            mean,
            variance,
            _rows(norm.weight, more),
            _rows(norm.bias, more),
            norm.training,
            norm.momentum,
            norm.eps,
        )
        if norm.training:
            with torch.no_grad():
                norm.running_mean.copy_(mean[: norm.num_features])
                norm.running_var.copy_(variance[: norm.num_features])
                norm.num_batches_tracked.add_(1)
        return x


def _rows(tensor: Tensor, more: int) -> Tensor:
    """Return a tensor with added rows of zeros."""
    return F.pad(tensor, (0, 0) * (tensor.ndim - 1) + (0, more))
