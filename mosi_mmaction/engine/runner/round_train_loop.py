"""Training in epochs of unequal numbers of steps."""

from typing import Any

from mmaction.registry import LOOPS
from mmengine.config import ConfigDict
from mmengine.runner import EpochBasedTrainLoop


@LOOPS.register_module()
class RoundTrainLoop(EpochBasedTrainLoop):
    """MMEngine's epoch loop with the true number of steps of a run.

    With a :class:`~mosi_mmaction.RoundBatchSampler` an epoch may have one
    step more or less than the next. The stock loop assumes that all have as
    many as the first, which makes progress, remaining time and the ends of
    schedules that count steps wrong. With other samplers this loop is the
    stock one.

    Args:
        runner: The runner.
        dataloader: Data loader of training.
        max_epochs: Number of epochs.
        **kwargs: Arguments of :class:`mmengine.runner.EpochBasedTrainLoop`.

    Raises:
        ValueError: If a schedule of the config assumes that all epochs have
            the length of the first (``convert_to_iter_based``), and they
            differ.
    """

    _max_iters: int

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
                'assumes that every epoch has as many steps as the first, '
                f'{stock} instead of {self._max_iters} in all. Use '
                'WarmupCosineLR; or by_epoch=False and steps; or, instead of '
                'train_dataloader.batch_sampler, drop_last=True'
            )


def _converted(schedule: Any) -> bool:
    return hasattr(schedule, 'get') and bool(
        schedule.get('convert_to_iter_based')
    )
