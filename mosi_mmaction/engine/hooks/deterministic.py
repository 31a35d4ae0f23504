"""Runs that repeat themselves to the bit."""

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from ...models.layers.folded_pool import fold_pooling

# What has no deterministic gradient on a GPU (torch's documentation of
# use_deterministic_algorithms) and occurs in networks for video.
_WITHOUT = (
    nn.AvgPool3d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool2d,
    nn.ReflectionPad3d,
)


@HOOKS.register_module()
class DeterministicHook(Hook):
    """Prepare a network for torch's deterministic algorithms.

    To be used where ``randomness.deterministic`` is set, which makes torch
    stop at the first operation that has none; ``tools/train.py
    --deterministic`` adds it. Max pools of frames are computed by an
    operation that has one, see
    :func:`~mosi_mmaction.models.folded_pool.fold_pooling`: with it all
    networks of this package are free of others. What cannot be
    deterministic on a GPU in another network is named before the run
    starts.
    """

    def before_run(self, runner) -> None:
        """Change the pools of the network in place and check the rest."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        fold_pooling(model)
        device = next(model.parameters()).device.type
        names = [
            f'{name} ({type(module).__name__})'
            for name, module in model.named_modules()
            if isinstance(module, _WITHOUT) and not _is_mean(module)
        ]
        if names and device != 'cpu':
            runner.logger.warning(
                'randomness.deterministic: torch has no deterministic '
                f'gradient on a GPU for {", ".join(names)}. If the training '
                'stops there, replace them or leave --deterministic out'
            )


def _is_mean(module: nn.Module) -> bool:
    """Return whether it averages all there is, which torch does as a mean."""
    adaptive = isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d))
    return adaptive and module.output_size in (1, (1, 1), (1, 1, 1))
