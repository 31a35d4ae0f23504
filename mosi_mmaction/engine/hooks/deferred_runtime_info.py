"""Losses that reach the log without a wait at every step."""

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import RuntimeInfoHook
from torch import Tensor


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """Fetch losses and accuracies from the device every few steps.

    MMEngine's own hook takes every value of every step to the CPU, and waits
    for the device each time. This one keeps them where they are and takes
    those of several steps at once, before they are logged. What is logged is
    the same. As ``default_hooks.runtime_info``, with the interval of
    ``default_hooks.logger``.

    Args:
        interval: Steps between two visits to the device, at least 1: that of
            the logger, or a divisor of it.

    Raises:
        ValueError: If ``interval`` is below 1.
    """

    def __init__(self, interval: int = 10) -> None:
        super().__init__()
        if isinstance(interval, bool) or int(interval) != interval:
            raise ValueError(f'interval={interval!r}: a whole number')
        if interval < 1:
            raise ValueError(f'interval={interval}: at least 1 step')
        self.interval = interval
        self._waiting: list[dict] = []

    def after_train_iter(
        self,
        runner,
        batch_idx: int,
        data_batch=None,
        outputs: dict | None = None,
    ) -> None:
        """Keep the step's values; every few steps hand all of them over."""
        if outputs is not None:
            self._waiting.append(
                {
                    k: v.detach().clone() if isinstance(v, Tensor) else v
                    for k, v in outputs.items()
                }
            )
        # The logger counts within an epoch where epochs are counted, and
        # over the run elsewhere.
        if (
            self.every_n_inner_iters(batch_idx, self.interval)
            or self.every_n_train_iters(runner, self.interval)
            or self.end_of_epoch(runner.train_dataloader, batch_idx)
        ):
            self._hand_over(runner)

    def after_train_epoch(self, runner) -> None:
        """Hand over what is left."""
        self._hand_over(runner)

    def after_train(self, runner) -> None:
        """Hand over what is left."""
        self._hand_over(runner)

    def before_val(self, runner) -> None:
        """Hand over what is left, then as MMEngine's."""
        self._hand_over(runner)
        super().before_val(runner)

    def _hand_over(self, runner) -> None:
        waiting, self._waiting = self._waiting, []
        tensors = [
            v for step in waiting for v in step.values() if _is_scalar(v)
        ]
        values = iter(
            torch.stack([v.double() for v in tensors]).tolist()
            if tensors
            else ()
        )
        for step in waiting:
            for key, value in step.items():
                runner.message_hub.update_scalar(
                    f'train/{key}',
                    next(values) if _is_scalar(value) else value,
                )


def _is_scalar(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim == 0
