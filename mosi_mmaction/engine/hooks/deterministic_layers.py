"""Make runs reproducible to the bit."""

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from torch import nn

from ...checkpoints.weights import unwrap_model
from ...models.layers.folded_pool import fold_pooling

# Layers of video networks that have no deterministic gradient on a GPU
# (torch's documentation of use_deterministic_algorithms).
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

    Use it together with ``randomness.deterministic``, with which torch stops
    at the first nondeterministic operation; ``tools/train.py
    --deterministic`` adds both. Max pools of frames are computed by a
    deterministic operation, see
    :func:`~mosi_mmaction.models.layers.folded_pool.fold_pooling`; this makes
    all networks of this package deterministic. In other networks, layers that
    cannot be deterministic on a GPU are named before the run starts.
    """

    def before_run(self, runner) -> None:
        """Replace the pools of the network in place and check the rest."""
        model = unwrap_model(runner.model)
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
                f'gradient on a GPU for {", ".join(names)}. If training '
                'stops there, replace them or leave --deterministic out'
            )


def _is_mean(module: nn.Module) -> bool:
    """Return whether it averages everything, which torch does as a mean."""
    adaptive = isinstance(module, (nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d))
    return adaptive and module.output_size in (1, (1, 1), (1, 1, 1))
