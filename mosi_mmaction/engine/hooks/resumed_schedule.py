"""Make a resumed run follow the schedule of its own config."""

import copy
import warnings
from collections import Counter

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper

#: State of a schedule's progress; everything else is its definition.
_PROGRESS = {'_global_step', 'last_step', 'base_values', '_last_value'}


@HOOKS.register_module()
class FollowScheduleHook(Hook):
    """Make MMEngine's schedules follow the config when a run is resumed.

    MMEngine's schedules take their length from the checkpoint and compute
    each rate from the previous one. So a finished run resumed with more
    epochs would continue at the old schedule's last rate. This hook runs the
    config's schedules on a stand-in for the optimizer up to the step where
    the run continues. It changes nothing if the schedules of the config are
    those of the checkpoint. ``tools/train.py --resume`` adds the hook.
    """

    priority = 'VERY_LOW'

    def before_run(self, runner) -> None:
        """Keep the schedules of the config before a checkpoint is loaded."""
        schedulers = runner.param_schedulers
        if isinstance(schedulers, list):
            self._wanted = [copy.copy(s) for s in schedulers]
            groups = runner.optim_wrapper.param_groups
            self._rates = [group['lr'] for group in groups]

    def before_train(self, runner) -> None:
        """Compare with the schedules of the checkpoint."""
        loaded = runner.param_schedulers
        if not (isinstance(loaded, list) and runner.iter):
            return
        groups = runner.optim_wrapper.param_groups
        stand_in = OptimWrapper(
            torch.optim.SGD(
                [
                    dict(params=[torch.nn.Parameter(torch.zeros(1))], lr=rate)
                    for rate in self._rates
                ]
            )
        )
        wanted = self._wanted
        for scheduler in wanted:
            scheduler.optimizer = stand_in
        others = sorted(
            f'{type(new).__name__}.{key}: {old[key]} -> {value}'
            for new, old in zip(wanted, (s.state_dict() for s in loaded))
            for key, value in new.state_dict().items()
            if key not in _PROGRESS and old.get(key, value) != value
        )
        if not others or any(s.param_name != 'lr' for s in wanted):
            return
        ends = _ends_of_epochs(runner)
        with warnings.catch_warnings():
            # The optimizer takes no step here.
            warnings.simplefilter('ignore')
            for step in range(runner.iter + 1):
                for scheduler in wanted:
                    times = ends[step] if scheduler.by_epoch else step > 0
                    for _ in range(times):
                        scheduler.step()
        for old, new in zip(loaded, wanted):
            old.load_state_dict(new.state_dict())
        for group, new in zip(groups, stand_in.param_groups):
            group['lr'] = new['lr']
        runner.logger.info(
            f"the schedule is the config's, not the checkpoint's "
            f'({"; ".join(others)}); the rate continues at '
            f'{groups[0]["lr"]:.3g}'
        )


def _ends_of_epochs(runner) -> Counter:
    """Return how many epochs have ended after each number of steps."""
    loader = runner.train_dataloader
    length = len(loader)
    # With rounds, epochs differ in length, and some may have no step.
    steps = getattr(
        loader.batch_sampler, 'steps', lambda epochs: epochs * length
    )
    return Counter(steps(epoch) for epoch in range(1, runner.epoch + 1))
