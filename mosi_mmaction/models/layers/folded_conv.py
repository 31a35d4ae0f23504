"""Factorised 3D convolutions as 2D convolutions and matrix products.

oneDNN, torch's library for CPUs, is tuned for 2D. In ``channels_last_3d`` and
without a copy, a clip is a batch of frames for a kernel of (1, k, k). For a
kernel of (k, 1, 1) it is an image with one row per frame, or a matrix with
one row per pixel. These are all kernels of R(2+1)D and most of S3D.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fold_convolutions(model: nn.Module, everywhere: bool = False) -> int:
    """Fold the factorised 3D convolutions of a network, in place.

    Parameters, names and shapes do not change; results differ only by
    rounding. Only plain (1, k, k) and (k, 1, 1) convolutions are folded.

    Args:
        model: The network.
        everywhere: Whether to fold on every device and in every precision,
            using plain 2D convolutions. Not measured on a GPU.

    Returns:
        Number of convolutions that were changed.
    """
    count = 0
    for module in model.modules():
        # MMCV has a subclass with the same behaviour and name.
        if (
            isinstance(module, nn.Conv3d)
            and type(module).__name__ == 'Conv3d'
            and module.groups == 1
            and any(_factors(module))
            and module.dilation == (1, 1, 1)
            and module.padding_mode == 'zeros'
        ):
            module.__class__ = FoldedConv3d
            module.everywhere = everywhere
            count += 1
    return count


def _factors(conv: nn.Conv3d) -> tuple[bool, bool]:
    """Return whether time is unaffected, and whether space is."""
    time, *space = zip(conv.kernel_size, conv.stride, conv.padding)
    alone = 1, 1, 0
    return time == alone, all(side == alone for side in space)


class FoldedConv3d(nn.Conv3d):
    """A convolution of (1, k, k) or (k, 1, 1), computed in two dimensions.

    It is folded in float32 on CPUs, where this was measured to be faster;
    elsewhere and under autocast it is an ordinary ``Conv3d``, unless
    ``everywhere`` is set.
    """

    everywhere = False

    def forward(self, x: Tensor) -> Tensor:
        """Convolve.

        Args:
            x: (B, C, T, H, W).

        Returns:
            (B, C', T', H', W') in the memory format channels_last_3d.
        """
        by_products = (
            x.device.type == 'cpu'
            and x.dtype == torch.float32
            and not torch.is_autocast_enabled('cpu')
        )
        if not by_products and not self.everywhere:
            return super().forward(x)
        x = x.contiguous(memory_format=torch.channels_last_3d)
        if _factors(self)[0]:
            return self._in_space(x)
        if by_products:
            return self._in_time(x)
        # An image with one row per frame and one column per pixel.
        out = F.conv2d(
            x.flatten(3),
            self.weight[..., 0],
            self.bias,
            (self.stride[0], 1),
            (self.padding[0], 0),
        )
        return out.unflatten(3, x.shape[3:])

    def _in_space(self, x: Tensor) -> Tensor:
        frames = x.transpose(1, 2).flatten(0, 1)
        out = F.conv2d(
            frames,
            self.weight.squeeze(2),
            self.bias,
            self.stride[1:],
            self.padding[1:],
        )
        return out.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)

    def _in_time(self, x: Tensor) -> Tensor:
        weight = self.weight[..., 0, 0]
        rows = x.permute(0, 2, 3, 4, 1).flatten(2, 3)
        out = _TimeConvolution.apply(
            rows, weight, self.stride[0], self.padding[0]
        )
        if self.bias is not None:
            out = out + self.bias
        return out.unflatten(2, x.shape[3:]).permute(0, 4, 1, 2, 3)


class _TimeConvolution(torch.autograd.Function):
    """A convolution along time; its gradients are one matrix product per tap.

    The input is (B, T, P, C), where P is the number of pixels of a frame, the
    weight (C', C, k).
    """

    @staticmethod
    def forward(ctx, x, weight, stride, padding):
        ctx.save_for_backward(x, weight)
        ctx.how = stride, padding
        # An image of T rows and P columns. oneDNN is fast for its forward
        # pass; its backward pass is less than half as fast as the products
        # below.
        out = F.conv2d(
            x.permute(0, 3, 1, 2),
            weight[..., None],
            None,
            (stride, 1),
            (padding, 0),
        )
        return out.permute(0, 2, 3, 1).contiguous()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        stride, padding = ctx.how
        grad = grad.contiguous()
        grad_x = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        grad_weight = torch.zeros_like(weight)
        for tap, to, at in _taps(
            x.shape[1], grad.shape[1], weight, stride, padding
        ):
            above = grad[:, to].flatten(1, 2)
            matrix = weight[..., tap].expand(len(x), -1, -1)
            if grad_x is not None and stride == 1:
                # Consecutive frames are one matrix and need one product.
                grad_x[:, at].view(len(x), -1, x.shape[3]).baddbmm_(
                    above, matrix
                )
            elif grad_x is not None:
                grad_x[:, at] += torch.bmm(above, matrix).unflatten(
                    1, (-1, x.shape[2])
                )
            grad_weight[..., tap] = torch.bmm(
                above.transpose(1, 2), x[:, at].flatten(1, 2)
            ).sum(0)
        return grad_x, grad_weight, None, None


def _taps(
    length_in: int, length_out: int, weight: Tensor, stride: int, padding: int
):
    """Yield (tap, slice of the output, slice of the input it sees)."""
    for tap in range(weight.shape[2]):
        shift = tap - padding
        first = max(0, -(shift // stride))
        last = min(length_out - 1, (length_in - 1 - shift) // stride)
        if last >= first:
            start = first * stride + shift
            yield (
                tap,
                slice(first, last + 1),
                slice(start, last * stride + shift + 1, stride),
            )
