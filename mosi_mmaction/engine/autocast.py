"""Mixed precision that also works without a GPU."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn


def cpu_has_bfloat16() -> bool:
    """Say whether the CPU computes in bfloat16 or has to imitate it.

    Where the system does not tell, it is taken to.
    """
    info = Path('/proc/cpuinfo')
    flags = set(info.read_text().split()) if info.exists() else {'bf16'}
    return bool(flags & {'avx512_bf16', 'amx_bf16', 'bf16'})


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Run the forward pass under autocast to bfloat16, on CPU or GPU.

    MMEngine's ``AmpOptimWrapper`` insists on an accelerator. bfloat16 has
    the range of float32, so there is no loss scaling and no state to save.

    A CPU without instructions for it stays in float32, with a warning. To
    imitate them is not only slower: torch 2.13 gives a ``Conv3d`` of
    (3, 1, 1) gradients of its weight there that are uninitialised memory,
    for about a third of the small shapes that were tried.

    Args:
        dtype: Only ``'bfloat16'``.
        **kwargs: Of :class:`mmengine.optim.OptimWrapper`.

    Raises:
        ValueError: If ``dtype`` is another one.
    """

    def __init__(self, dtype: str = 'bfloat16', **kwargs) -> None:
        if dtype != 'bfloat16':
            raise ValueError(
                f'AutocastOptimWrapper.dtype={dtype!r}: only bfloat16 needs '
                'no loss scaling; for float16 use AmpOptimWrapper'
            )
        super().__init__(**kwargs)
        self.enabled = get_device() != 'cpu' or cpu_has_bfloat16()
        if not self.enabled:
            print_log(
                'this CPU has no instructions for bfloat16, so the '
                'training stays in float32',
                'current',
                logging.WARNING,
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Open autocast around one forward pass."""
        with (
            super().optim_context(model),
            torch.autocast(
                get_device(), dtype=torch.bfloat16, enabled=self.enabled
            ),
        ):
            yield
