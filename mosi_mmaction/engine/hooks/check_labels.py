"""Fail before the first step if a label is not a class of the head."""

from collections.abc import Iterator
from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Stop if a list of videos has a label that the head has no class for.

    In training torch would fail at the first such sample, without a name,
    on a GPU with the memory of the device corrupt; a test would only count
    it as wrong.
    """

    def before_train(self, runner) -> None:
        """Compare labels of training and classes.

        Raises:
            ValueError: If a label is too large; as do the others.
        """
        self._compare(runner, 'train')

    def before_val(self, runner) -> None:
        """As before training."""
        self._compare(runner, 'val')

    def before_test(self, runner) -> None:
        """As before training."""
        self._compare(runner, 'test')

    def _compare(self, runner, part: str) -> None:
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        classes = getattr(
            getattr(model, 'cls_head', None), 'num_classes', None
        )
        loop = getattr(runner, f'{part}_loop')
        for dataset in _unwrapped(loop.dataloader.dataset):
            top = getattr(dataset, 'top_label', None)
            if classes is not None and top is not None and top >= classes:
                raise ValueError(
                    f'model.cls_head.num_classes={classes}, but '
                    f'{part}_dataloader.dataset.ann_file='
                    f'{dataset.ann_file!r} has the label {top}. Labels count '
                    f'from 0: set num_classes to {top + 1} or more, or mend '
                    'the list'
                )


def _unwrapped(dataset: Any) -> Iterator[Any]:
    """Yield the data sets within MMEngine's wrappers."""
    inner = getattr(dataset, 'datasets', None)
    if inner is None and hasattr(dataset, 'dataset'):
        inner = [dataset.dataset]
    if inner is None:
        yield dataset
    for other in inner or ():
        yield from _unwrapped(other)
