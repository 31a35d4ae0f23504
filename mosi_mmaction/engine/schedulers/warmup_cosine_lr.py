"""The paper's learning rate schedule."""

import math
from typing import Any

from mmaction.registry import PARAM_SCHEDULERS
from mmengine.optim import _ParamScheduler
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(LRSchedulerMixin, _ParamScheduler):
    """Half a cosine over the whole run, with a warm-up that ends on it.

    At epoch e of E epochs, where e is fractional and grows with every step::

        lr(e) = base (1 + cos(pi e / E)) / 2          from epoch W on
        lr(e) = base f + (lr(W) - base f) e / W       before

    where W is the number of warm-up epochs and f the initial factor (paper
    appendix and release). MMEngine's ``LinearLR`` followed by
    ``CosineAnnealingLR`` gives another curve: up to base, and then a cosine
    of E - W epochs.

    With ``by_epoch=False``, MMEngine fills in ``end``, the number of steps of
    the run. In a config::

        param_scheduler = [
            dict(
                type='WarmupCosineLR',
                by_epoch=False,
                max_epochs=300,
                warmup_epochs=10,
                start_factor=0.1,
            )
        ]

    A resumed run follows the schedule of its own config. With more epochs,
    see :func:`~mosi_mmaction.set_epochs`, the cosine spans all of them, and
    the run continues on it at its current step.

    Args:
        optimizer: The optimizer or its wrapper.
        max_epochs: Number of epochs E.
        warmup_epochs: Number of epochs W, fewer than E; 0 for none.
        start_factor: Factor f of the base rate at the first step.
        end: Number of steps in the run, or of epochs with ``by_epoch``.
        last_step: Step to continue from, as in MMEngine's schedulers.
        by_epoch: Whether the rate changes only from epoch to epoch.
        verbose: Whether every change is logged.

    Raises:
        ValueError: If a number is out of range, or the end of the run is
            unknown.
    """

    # Attributes that a resumed run takes from its config, not the checkpoint.
    _OF_CONFIG = ('end', 'max_epochs', 'warmup_epochs', 'start_factor')

    def __init__(
        self,
        optimizer: Any,
        max_epochs: float,
        warmup_epochs: float = 0,
        start_factor: float = 0.1,
        end: int | None = None,
        last_step: int = -1,
        by_epoch: bool = True,
        verbose: bool = False,
    ) -> None:
        if not 0 <= warmup_epochs < max_epochs:
            raise ValueError(
                f'WarmupCosineLR: warmup_epochs={warmup_epochs} of '
                f'max_epochs={max_epochs}: allowed is from 0 to fewer than '
                'all'
            )
        if not 0 <= start_factor <= 1:
            raise ValueError(
                f'WarmupCosineLR: start_factor={start_factor}: allowed is a '
                'number in [0, 1]'
            )
        if not end:
            raise ValueError(
                f'WarmupCosineLR: end={end}: the number of steps in the run '
                'is needed; MMEngine fills it in if by_epoch is set '
                'explicitly'
            )
        self.max_epochs = max_epochs
        self.warmup_epochs = warmup_epochs
        self.start_factor = start_factor
        super().__init__(
            optimizer,
            end=end,
            last_step=last_step,
            by_epoch=by_epoch,
            verbose=verbose,
        )

    def factor(self, step: float) -> float:
        """Return the learning rate at a step, divided by base."""

        def cosine(epoch):
            return (1 + math.cos(math.pi * epoch / self.max_epochs)) / 2

        epoch = step * self.max_epochs / self.end
        if epoch >= self.warmup_epochs:
            return cosine(epoch)
        share = epoch / self.warmup_epochs
        rise = cosine(self.warmup_epochs) - self.start_factor
        return self.start_factor + rise * share

    def _get_value(self) -> list[float]:
        # Unlike last_step, this also counts the last step of a shorter run.
        factor = self.factor(self._global_step)
        return [base * factor for base in self.base_values]

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the position in the run, but not its length.

        Args:
            state_dict: Return value of :meth:`state_dict`.
        """
        super().load_state_dict(
            {k: v for k, v in state_dict.items() if k not in self._OF_CONFIG}
        )
        if self._global_step < self.end:
            # The loaded optimizer has the rate of the old schedule.
            groups = self.optimizer.param_groups
            for group, value in zip(groups, self._get_value()):
                group[self.param_name] = value
