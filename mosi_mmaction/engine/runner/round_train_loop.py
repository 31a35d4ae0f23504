"""Training in epochs that differ by a step."""

from typing import Any

from mmaction.registry import LOOPS
from mmengine.config import ConfigDict
from mmengine.runner import EpochBasedTrainLoop


@LOOPS.register_module()
class RoundTrainLoop(EpochBasedTrainLoop):
    """MMEngine's loop that counts the steps of a run as they will be.

    With a :class:`~mosi_mmaction.RoundBatchSampler` an epoch has one step
    more or less than the next. The stock loop takes all of them to be as
    long as the first: of a run's progress, the time left, and the ends of
    schedules that count steps none is right then. With other samplers this
    loop is the stock one.

    Args:
        runner: The runner.
        dataloader: Of training.
        max_epochs: Number of epochs.
        **kwargs: As of :class:`mmengine.runner.EpochBasedTrainLoop`.

    Raises:
        ValueError: If a schedule of the config counts steps by the length
            of the first epoch (``convert_to_iter_based``), and epochs
            differ.
    """

    def __init__(
        self, runner, dataloader: Any, max_epochs: int, **kwargs: Any
    ) -> None:
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        count = getattr(self.dataloader.batch_sampler, 'steps', None)
        if count is None:
            return
        stock, self._max_iters = self._max_iters, count(self._max_epochs)
        schedules = runner.cfg.get('param_scheduler') or []
        if isinstance(schedules, (dict, ConfigDict)):
            schedules = [schedules]
        wrong = [s['type'] for s in schedules if _converted(s)]
        if wrong and stock != self._max_iters:
            raise ValueError(
                f'param_scheduler: {wrong[0]} with convert_to_iter_based '
                'takes every epoch to have the steps of the first one, which '
                f'makes {stock} of {self._max_iters}. Use WarmupCosineLR; or '
                'by_epoch=False and steps; or, in the place of train_'
                'dataloader.batch_sampler, drop_last=True'
            )


def _converted(schedule: Any) -> bool:
    return hasattr(schedule, 'get') and bool(
        schedule.get('convert_to_iter_based')
    )
