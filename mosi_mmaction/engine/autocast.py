"""Mixed precision: one autocast for training, validation and test.

The config sets it in one place, the type of ``optim_wrapper``:
:class:`AutocastOptimWrapper` applies it to training steps,
:class:`AutocastHook` to validation and test.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmaction.models.heads.base import BaseHead
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn


def cpu_has_bfloat16() -> bool:
    """Return whether the CPU computes in bfloat16 instead of emulating it.

    If the system does not say, emulation is assumed.
    """
    info = Path('/proc/cpuinfo')
    flags = set(info.read_text().split()) if info.exists() else set()
    return bool(flags & {'avx512_bf16', 'amx_bf16', 'bf16'})


def has_bfloat16(device: str) -> bool:
    """Return whether a device computes in bfloat16 instead of emulating it.

    Args:
        device: Type of the device, such as ``'cuda'`` or ``'cpu'``; for GPUs
            the current one is checked.
    """
    if device == 'cpu':
        return cpu_has_bfloat16()
    probe = getattr(getattr(torch, device, None), 'is_bf16_supported', None)
    if probe is None:
        return False
    try:
        return bool(probe(including_emulation=False))
    except TypeError:  # torch < 2.5 considers only the hardware
        return bool(probe())


def autocast_dtype(optim_wrapper: dict | None) -> torch.dtype | None:
    """Return the autocast type in which a config trains on this machine.

    Args:
        optim_wrapper: Config of the optimizer wrapper.

    Returns:
        The type, or None if training runs without autocast, as on a device
        without bfloat16.
    """
    kind = (optim_wrapper or {}).get('type')
    if kind == 'AutocastOptimWrapper':
        return torch.bfloat16 if has_bfloat16(get_device()) else None
    if kind == 'AmpOptimWrapper':
        return getattr(torch, (optim_wrapper or {}).get('dtype') or 'float16')
    return None


def to_float32(head: nn.Module, args: Any, scores: Any) -> Any:
    """Return scores in float32, because MMAction2 converts them to NumPy."""
    if isinstance(scores, torch.Tensor):
        return scores.float() if scores.is_floating_point() else scores
    if isinstance(scores, (list, tuple)):
        return type(scores)(to_float32(head, args, s) for s in scores)
    return scores


def find_heads(model: nn.Module) -> list[nn.Module]:
    """Return the MMAction2 heads of a network."""
    return [m for m in model.modules() if isinstance(m, BaseHead)]


def _enter_float32(conv: nn.Conv3d, args: tuple) -> tuple | None:
    """Leave autocast for a convolution that is wrong in bfloat16."""
    x = args[0]
    if x.device.type != 'cpu' or not torch.is_autocast_enabled('cpu'):
        return None
    if all(n >= k for n, k in zip(x.shape[2:], conv.kernel_size)):
        return None
    conv._left = torch.autocast('cpu', enabled=False)
    conv._left.__enter__()
    return (x.float(), *args[1:])


def _leave_float32(conv: nn.Conv3d, args: tuple, output: Any) -> None:
    left = vars(conv).pop('_left', None)
    if left is not None:
        left.__exit__(None, None, None)


def guard_convolutions(model: nn.Module) -> None:
    """Keep 3D convolutions of few frames in float32 on CPUs; idempotent.

    If the input is shorter than the kernel on an axis, torch 2.13 writes
    beyond the gradient of the weight in bfloat16, even on CPUs that support
    it: the gradient is uninitialised memory, or the process crashes later.
    This happens in the last stage of R(2+1)D, whose kernels span 3 frames
    when only 2 of 16 are left. Only such calls under autocast are changed.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv3d) and not hasattr(module, '_guarded'):
            module._guarded = True
            module.register_forward_pre_hook(_enter_float32)
            module.register_forward_hook(_leave_float32, always_call=True)


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Run the forward pass under autocast to bfloat16, on CPU or GPU.

    MMEngine's ``AmpOptimWrapper`` requires an accelerator. bfloat16 has the
    range of float32, so there is no loss scaling and no state to save. The
    heads of MMAction2 return their scores in float32, because
    ``mmaction/models/heads/base.py:129`` converts them to NumPy, which has no
    bfloat16.

    A device without bfloat16 instructions stays in float32, with a warning,
    because emulation is slower. On a CPU, convolutions that are wrong in
    bfloat16 stay in float32, see :func:`guard_convolutions`.

    Args:
        dtype: Autocast type; only ``'bfloat16'`` is allowed.
        **kwargs: Arguments of :class:`mmengine.optim.OptimWrapper`.

    Raises:
        ValueError: If ``dtype`` is not ``'bfloat16'``.
    """

    def __init__(self, dtype: str = 'bfloat16', **kwargs) -> None:
        if dtype != 'bfloat16':
            raise ValueError(
                f'AutocastOptimWrapper.dtype={dtype!r}: only bfloat16 works '
                'without loss scaling; for float16 use AmpOptimWrapper'
            )
        super().__init__(**kwargs)
        device = get_device()
        self.enabled = has_bfloat16(device)
        if not self.enabled:
            name = 'CPU' if device == 'cpu' else f'device ({device})'
            print_log(
                f'this {name} has no instructions for bfloat16, so '
                'training stays in float32',
                'current',
                logging.WARNING,
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Open autocast around one forward pass."""
        handles = []
        if self.enabled:
            guard_convolutions(model)
            handles = [
                h.register_forward_hook(to_float32) for h in find_heads(model)
            ]
        try:
            with (
                super().optim_context(model),
                torch.autocast(
                    get_device(), dtype=torch.bfloat16, enabled=self.enabled
                ),
            ):
                yield
        finally:
            for handle in handles:
                handle.remove()
