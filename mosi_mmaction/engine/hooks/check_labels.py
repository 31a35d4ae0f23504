"""Fail before the first step if the data do not fit the run."""

from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import Hook

from ...checkpoints.weights import unwrap_model
from ...datasets.bad_files import innermost


def check_steps(loop: Any) -> None:
    """Stop early if there is not a single batch to train on.

    MMEngine would validate after every epoch, and save weights that have
    never been trained.

    Args:
        loop: Training loop; None for a config that does not train.

    Raises:
        ValueError: If the run would have no training step.
    """
    loader = getattr(loop, 'dataloader', None)
    # A single epoch may have none, see RoundBatchSampler.
    if loader is not None and not loop.max_iters:
        raise ValueError(
            f'train_dataloader: its {len(loader.dataset)} samples are fewer '
            f'than batch_size={loader.batch_size}, and drop_last drops '
            'incomplete batches. Use more data, or --cfg-options '
            'train_dataloader.batch_size=... with a batch_size no larger '
            'than that'
        )


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Stop if a video list has a label for which the head has no class.

    Also if there is not a single batch to train on.

    In training, torch would fail at the first such sample without naming it,
    on a GPU as an unattributable device-side assert; a test would only count
    it as wrong. Classes beyond the largest label are warned about.
    """

    def before_train(self, runner) -> None:
        """Compare the training labels with the classes.

        Raises:
            ValueError: If a label is too large, also in the other methods; or
                if the run would have no training step.
        """
        check_steps(runner.train_loop)
        self._compare(runner, 'train')

    def before_val(self, runner) -> None:
        """Compare the validation labels with the classes."""
        self._compare(runner, 'val')

    def before_test(self, runner) -> None:
        """Compare the test labels with the classes."""
        self._compare(runner, 'test')

    def _compare(self, runner, part: str) -> None:
        model = unwrap_model(runner.model)
        classes = getattr(
            getattr(model, 'cls_head', None), 'num_classes', None
        )
        loop = getattr(runner, f'{part}_loop')
        for dataset in innermost(loop.dataloader.dataset):
            top = getattr(dataset, 'top_label', None)
            if classes is not None and top is not None and top >= classes:
                raise ValueError(
                    f'model.cls_head.num_classes={classes}, but '
                    f'{part}_dataloader.dataset.ann_file='
                    f'{dataset.ann_file!r} has the label {top}. Labels start '
                    f'at 0: set num_classes to {top + 1} or more, or fix '
                    'the list'
                )
            if part == 'train' and classes and top is not None:
                unused = classes - 1 - top
                if unused > 0:
                    runner.logger.warning(
                        f'model.cls_head.num_classes={classes}, but the '
                        f'largest label of {dataset.ann_file!r} is {top}: '
                        f'the last {unused} classes are never trained. Is '
                        'the config one of other data? set_videos() takes '
                        'the number of classes from a list'
                    )
