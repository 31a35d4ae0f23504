"""Mixed precision that also works without a GPU."""
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmaction.registry import OPTIM_WRAPPERS
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Run the forward pass under autocast to bfloat16, on CPU or GPU.

    MMEngine's ``AmpOptimWrapper`` insists on an accelerator. bfloat16 has
    the range of float32, so there is no loss scaling and no state to save.

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
                'no loss scaling; for float16 use AmpOptimWrapper')
        super().__init__(**kwargs)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Open autocast around one forward pass."""
        with super().optim_context(model), torch.autocast(
                get_device(), dtype=torch.bfloat16):
            yield
