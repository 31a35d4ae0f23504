"""Factorised 3D convolutions as 2D convolutions and matrix products.

oneDNN, torch's library for CPUs, is tuned for 2D. In ``channels_last_3d``
a clip is, without a copy, a batch of frames for a kernel of (1, k, k), and
for a kernel of (k, 1, 1) an image with a row a frame, or a matrix with a row
a pixel: those are all kernels of R(2+1)D and most of S3D.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fold_convolutions(model: nn.Module, everywhere: bool = False) -> int:
    """Let the factorised 3D convolutions of a network compute folded.

    In place; parameters, names and shapes stay as they are, results differ
    by rounding only. What is no plain (1, k, k) or (k, 1, 1) is left alone.

    Args:
        model: The network.
        everywhere: Whether to compute folded on every device and in every
            precision too, by plain 2D convolutions. Not measured on a GPU.

    Returns:
        How many convolutions were changed.
    """
    count = 0
    for module in model.modules():
        # MMCV has a subclass of the same behaviour and name.
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
    """Return whether it leaves time alone, and whether it leaves space."""
    time, *space = zip(conv.kernel_size, conv.stride, conv.padding)
    alone = 1, 1, 0
    return time == alone, all(side == alone for side in space)


class FoldedConv3d(nn.Conv3d):
    """A convolution of (1, k, k) or (k, 1, 1), computed in two dimensions.

    In float32 on CPUs, where that was measured to pay; as any ``Conv3d``
    elsewhere and under autocast, unless ``everywhere``.
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
        # An image with a row a frame and a column a pixel.
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
    """A convolution along time, with gradients one matrix product a tap.

    Of (B, T, P, C), P the pixels of a frame, with (C', C, k).
    """

    @staticmethod
    def forward(ctx, x, weight, stride, padding):
        ctx.save_for_backward(x, weight)
        ctx.how = stride, padding
        # An image of T rows and P columns, for which oneDNN is fast
        # forwards; backwards it is not half as fast as the products below.
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
                # Frames in a row are one matrix: no product of its own.
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
