"""Say what helps where steps become many times slower than they were."""

import time

from mmaction.registry import HOOKS
from mmengine.device import get_device
from mmengine.hooks import Hook


@HOOKS.register_module()
class StepTimeHook(Hook):
    """Warn once where steps on a CPU take ten times their usual time.

    On a machine that others use too, threads wait for one another: a step
    that takes a second alone may take half a minute.

    Args:
        factor: Ratio to the fastest step so far.
        steps: Number of steps in a row that are as slow.

    Attributes:
        taken: Number of steps so far.
    """

    def __init__(self, factor: float = 10, steps: int = 5) -> None:
        self.factor = factor
        self.steps = steps
        self.taken = 0
        self._usual = float('inf')
        self._slow = 0
        self._since: float | None = None

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ) -> None:
        """Compare the step, without the wait for its data."""
        self.taken += 1
        if self._since is None or get_device() != 'cpu':
            return
        self._look(runner, time.perf_counter() - self._since)

    def _look(self, runner, seconds: float) -> None:
        self._usual = min(self._usual, seconds)
        slow = seconds > self.factor * self._usual
        self._slow = self._slow + 1 if slow else 0
        if self._slow == self.steps:
            self.steps = 0  # once
            runner.logger.warning(
                f'{self._slow} steps in a row took {seconds:.1f} s each; '
                f'the fastest took {self._usual:.2f} s. Do others compute on '
                'these cores? Then OMP_NUM_THREADS=1 before the command may '
                'help: threads do not wait for one another'
            )
