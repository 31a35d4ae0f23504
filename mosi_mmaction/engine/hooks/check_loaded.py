"""Fail if a checkpoint does not fill the network."""

from mmaction.registry import HOOKS
from mmengine.hooks import Hook

from ...checkpoints.weights import (
    checkpoint_weights,
    compare_weights,
    describe_renaming,
    describe_shapes,
    unwrap_model,
)


@HOOKS.register_module()
class CheckLoadedHook(Hook):
    """Stop if a loaded checkpoint leaves weights of the model unchanged.

    MMEngine loads what fits and only warns about the rest, so fine-tuning
    from the wrong file would silently train from scratch.

    Args:
        prefix: Name prefix of the weights that must be in the file;
            ``'backbone.'`` for fine-tuning, where the head is new.
    """

    priority = 'VERY_HIGH'

    def __init__(self, prefix: str = '') -> None:
        self.prefix = prefix

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare names and shapes.

        Raises:
            ValueError: If weights are missing or have another shape, or if
                the file has weights with that prefix which the network lacks.
        """
        loaded = checkpoint_weights(checkpoint)
        # A resumed run must recover all its own weights.
        prefix = '' if runner._resume else self.prefix
        state = unwrap_model(runner.model).state_dict()
        wanted = {k: v for k, v in state.items() if k.startswith(prefix)}
        missing, reshaped, unknown = compare_weights(wanted, loaded)
        # If the whole network is required, the file may have more.
        extra = [k for k in unknown if prefix and k.startswith(prefix)]
        other = describe_shapes(reshaped, wanted, loaded)
        if missing or other or extra:
            lines = [f'missing: {k}' for k in missing]
            lines += [f'another shape: {k}' for k in other]
            lines += [f'unknown: {k}' for k in extra]
            listed = '\n  '.join(lines)
            raise ValueError(
                f'the checkpoint (load_from={runner._load_from!r}) does not '
                f'fit this network: {len(missing) + len(other)} of '
                f'{len(wanted)} tensors under {prefix!r} were not loaded, '
                f'{len(extra)} tensors of the file are unknown. '
                f'{describe_renaming(wanted, loaded)}\n  {listed}'
            )
        runner.logger.info(
            f'{len(wanted)} of {len(wanted)} tensors under '
            f'{prefix!r} loaded from the checkpoint'
        )
