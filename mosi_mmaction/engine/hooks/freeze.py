"""Freeze a part of a network."""

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from torch import nn

from ...checkpoints.weights import unwrap_model


@HOOKS.register_module()
class FreezeHook(Hook):
    """Freeze a part of the network during training.

    Its parameters need no gradient, and it stays in eval mode: batch norm
    statistics do not change, dropout and stochastic depth drop nothing. The
    hook is for networks without ``frozen_stages``, such as MMAction2's
    VisionTransformer and MViT, or whose frozen norm layers would still be
    trained. Several GPUs need ``find_unused_parameters = True`` in the
    config, as with every network that is frozen after it has been wrapped.

    Args:
        prefix: Name of the part, such as ``'backbone'`` or
            ``'backbone.patch_embed'``.
    """

    def __init__(self, prefix: str = 'backbone') -> None:
        self.prefix = prefix

    def before_train(self, runner) -> None:
        """Freeze the parameters.

        Raises:
            ValueError: If the network has no part of that name.
        """
        self._part(runner).requires_grad_(False)

    def before_train_iter(
        self, runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Set eval mode again, which the start of an epoch has ended."""
        part = self._part(runner)
        if part.training:
            part.eval()

    def _part(self, runner) -> nn.Module:
        model = unwrap_model(runner.model)
        try:
            return model.get_submodule(self.prefix)
        except AttributeError as error:
            names = [name for name, _ in model.named_children()]
            raise ValueError(
                f'FreezeHook.prefix={self.prefix!r}: the network has no such '
                f'part; its parts are {names}'
            ) from error
