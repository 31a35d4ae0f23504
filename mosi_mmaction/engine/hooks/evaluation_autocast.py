"""Run validation and test in the precision of training."""

from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.device import get_device
from mmengine.hooks import Hook
from torch import nn

from ...checkpoints.weights import unwrap_model
from ..autocast import autocast_dtype, find_heads, to_float32


@HOOKS.register_module()
class AutocastHook(Hook):
    """Validate and test under the same autocast as training.

    MMEngine's loops only support ``fp16=True``, which on a GPU means float16
    regardless of training. The heads' scores are float32.

    Args:
        dtype: Autocast type, ``'bfloat16'`` or ``'float16'``, for a test-only
            config, which has no ``optim_wrapper``. None uses the type in
            which ``optim_wrapper`` trains. A device without bfloat16 stays in
            float32.

    Raises:
        ValueError: If ``dtype`` is not one of these.
    """

    def __init__(self, dtype: str | None = None) -> None:
        if dtype not in (None, 'bfloat16', 'float16'):
            raise ValueError(
                f"AutocastHook.dtype={dtype!r}, allowed are 'bfloat16', "
                "'float16' and None, which follows optim_wrapper"
            )
        self._given = dtype
        self.dtype: torch.dtype | None = None
        self._open: list = []
        self._model: nn.Module | None = None
        self._trained: str | None = None

    def before_run(self, runner) -> None:
        """Put autocast around the network's forward pass, once."""
        model = unwrap_model(runner.model)
        if self._model is model:
            return
        self._model = model
        wrapper = runner.cfg.get('optim_wrapper')
        if self._given == 'bfloat16':
            wrapper = dict(type='AutocastOptimWrapper')
        elif self._given == 'float16':
            wrapper = dict(type='AmpOptimWrapper')
        self.dtype = autocast_dtype(wrapper)
        if self.dtype is None:
            return
        model.register_forward_pre_hook(self._enter)
        model.register_forward_hook(self._leave, always_call=True)
        for head in find_heads(model):
            head.register_forward_hook(to_float32)

    def _enter(self, model: nn.Module, args: Any) -> None:
        if not model.training:  # in training the optimizer wrapper does it
            context = torch.autocast(get_device(), dtype=self.dtype)
            context.__enter__()
            self._open.append(context)

    def _leave(self, model: nn.Module, args: Any, output: Any) -> None:
        if self._open:
            self._open.pop().__exit__(None, None, None)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        """Record the type of training, for later tests of the weights."""
        checkpoint['meta']['autocast'] = _name(self.dtype)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Remember the type in which the weights were trained."""
        self._trained = (checkpoint.get('meta') or {}).get('autocast')

    def before_train(self, runner) -> None:
        """Forget it: from now on, the weights are those of this run."""
        self._trained = None

    def before_test(self, runner) -> None:
        """Warn if a test runs in another type than training did."""
        if self._trained is not None and self._trained != _name(self.dtype):
            runner.logger.warning(
                f'these weights were trained in {self._trained}, but this '
                f'test runs in {_name(self.dtype)}: use the same flag as '
                'in training (--fast or --amp), if any'
            )


def _name(dtype: torch.dtype | None) -> str:
    return 'float32' if dtype is None else str(dtype).rpartition('.')[2]
