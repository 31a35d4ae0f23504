"""Fail if a checkpoint does not fill the network."""

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper


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
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        loaded = checkpoint.get('state_dict', checkpoint)
        loaded = {
            k[len('module.') :] if k.startswith('module.') else k: v
            for k, v in loaded.items()
        }
        # A resumed run must recover all its own weights.
        prefix = '' if runner._resume else self.prefix
        wanted = {
            k: v for k, v in model.state_dict().items() if k.startswith(prefix)
        }
        missing = [k for k in wanted if k not in loaded]
        other = [
            f'{k} {tuple(loaded[k].shape)} instead of {tuple(v.shape)}'
            for k, v in wanted.items()
            if k in loaded and loaded[k].shape != v.shape
        ]
        # If the whole network is required, the file may have more.
        extra = [
            k
            for k in loaded
            if prefix and k.startswith(prefix) and k not in wanted
        ]
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
                f'{_renaming(wanted, loaded)}\n  {listed}'
            )
        runner.logger.info(
            f'{len(wanted)} of {len(wanted)} tensors under '
            f'{prefix!r} loaded from the checkpoint'
        )


def _renaming(wanted: dict, loaded: dict) -> str:
    """Say which prefix the names in the file lack or have in addition."""
    fits = {k: tuple(v.shape) for k, v in wanted.items()}
    # The longest name is the least likely to match by accident. It is also
    # searched for without its first part, such as 'backbone.'.
    name = max(fits, key=len, default='')
    fronts = [
        (found[: len(found) - len(tail)], name[: len(name) - len(tail)])
        for tail in (name, name.partition('.')[2])
        for found in loaded
        if tail and (found == tail or found.endswith('.' + tail))
    ]
    for there, here in fronts:
        renamed = {
            here + k[len(there) :]: tuple(v.shape)
            for k, v in loaded.items()
            if k.startswith(there) and hasattr(v, 'shape')
        }
        if there != here and all(renamed.get(k) == v for k, v in fits.items()):
            # A bare backbone may come with its old classifier.
            others = {
                k.partition('.')[0]
                for k in loaded
                if not there and here + k not in fits
            }
            only = f'k.startswith({there!r})' if there else 'True'
            if others:
                only = f"k.partition('.')[0] not in {sorted(others)!r}"
            said = (
                f'lack the prefix {here!r}'
                if not there
                else f'have the extra prefix {there!r}'
                if not here
                else f'begin with {there!r} instead of {here!r}'
            )
            return (
                f'Its names {said}; otherwise all would fit. In Python: '
                f"file = torch.load(FILE, map_location='cpu'); "
                "weights = file.get('state_dict', file); "
                f"torch.save({{'state_dict': {{{here!r} + k[{len(there)}:]: "
                f'v for k, v in weights.items() if {only}'
                "}}, 'renamed.pth')"
            )
    return 'Does it belong to another backbone?'
