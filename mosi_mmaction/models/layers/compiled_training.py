"""A backbone that is compiled for the training step alone.

A compiled network is compiled again for every new shape. Training has one
that counts, the full batch; the part batch at the end of an epoch and the
clips of validation and test come too seldom to pay for minutes of compiling.
They run as they always did. (Padding the part batch instead would change the
statistics of batch norm, and with them the training.)
"""

from typing import Any

import torch
from torch import Tensor, nn


def compile_training(backbone: nn.Module, **options: Any) -> None:
    """Compile a backbone in place, for full batches in training mode.

    The first batch in training mode, or a larger one, is a full batch.

    Args:
        backbone: Its names, parameters and checkpoints stay as they are.
        **options: Of ``torch.compile``.
    """
    stock: Any = type(backbone)
    compiled = torch.compile(stock.forward, **options)

    class CompiledTraining(stock):
        full_batch = 0

        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
            if not self.training or len(x) < self.full_batch:
                return stock.forward(self, x, *args, **kwargs)
            self.full_batch = len(x)
            return compiled(self, x, *args, **kwargs)

    CompiledTraining.__name__ = stock.__name__
    CompiledTraining.__qualname__ = stock.__qualname__
    backbone.__class__ = CompiledTraining
