"""Fail if a checkpoint does not fill the network; log what it fills."""

from collections.abc import Iterable
from typing import Any

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, CheckpointLoader

from ...checkpoints.weights import (
    backbone_weights,
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
    from the wrong file would silently train from scratch. Where the rest is
    meant to be new, a line of the log names it, instead of that warning.

    Without ``load_from``, it also stops if a file that the backbone itself
    should load (``pretrained``, ``init_cfg``) has left no trace in it.

    Args:
        prefix: Name prefix of the weights that must be in the file;
            ``'backbone.'`` for fine-tuning, where the head is new. A test and
            a resumed run need all weights.
        source: Name of the argument that the file comes from, for messages.
    """

    priority = 'VERY_HIGH'

    def __init__(self, prefix: str = '', source: str = 'load_from') -> None:
        self.prefix = prefix
        self.source = source

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Compare names and shapes.

        Raises:
            ValueError: If weights are missing or have another shape, or if
                the file has weights with that prefix which the network lacks.
        """
        loaded = checkpoint_weights(checkpoint)
        # Before training, the runner makes a loop of its config.
        trains = isinstance(runner._train_loop, BaseLoop)
        prefix = self.prefix if trains and not runner._resume else ''
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
            part = f' of the {prefix.rstrip(".")}' if prefix else ''
            hint = describe_renaming(wanted, loaded)
            if _parts([*missing, *reshaped]) == ['cls_head']:
                hint = (
                    'Only the head differs: the file was trained for other '
                    'classes. If it is of pretraining, test it with the '
                    'config in its work dir, or fine-tune it: tools/train.py '
                    'with MOSI_PRETRAINED set to it'
                )
            if runner._resume:
                hint = (
                    'Is it the checkpoint of another run? With resume=True, '
                    'MMEngine resumes from load_from. To continue the run in '
                    'the work dir, set load_from=None, too, as --resume does. '
                    + hint
                )
            source = '--resume' if runner._resume else self.source
            raise ValueError(
                f'the checkpoint ({source}={runner._load_from!r}) does not '
                f'fit this network: {len(missing) + len(other)} of '
                f'{len(wanted)} tensors{part} were not loaded, '
                f'{len(extra)} tensors of the file are unknown. '
                f'{hint}\n  {listed}'
            )
        new = [
            k for found in compare_weights(state, loaded)[:2] for k in found
        ]
        unused = [k for k in loaded if k not in state]
        also = [k for k in state if k not in wanted and k not in new]
        text = f'all {len(wanted)} tensors of the '
        text += prefix.rstrip('.') or 'network'
        for words, names in (
            ('also loaded', also),
            ('new, as the file has none that fits', new),
            ('in the file and not used', unused),
        ):
            if names:
                text += f'; {words}: {", ".join(_parts(names))}'
        runner.logger.info(f'loaded from {runner._load_from}: {text}')
        if new or unused:
            _complete(checkpoint, {**state, **_only(loaded, state, new)})

    def before_train(self, runner) -> None:
        """Look for the weights of the backbone's own file in the backbone.

        MMAction2's networks look for names without ``backbone.`` in the file,
        ignore ``init_cfg``, and say nothing (mmaction2 1.2.0,
        ``mmaction/models/backbones/resnet3d.py:840``).

        Raises:
            ValueError: If the file has weights that fit, but the backbone has
                others.
        """
        backbone = getattr(unwrap_model(runner.model), 'backbone', None)
        key, path = _own_file(backbone)
        # A resumed run has other weights; MMEngine's own search for its file
        # leaves no trace in _load_from.
        if path is None or runner._load_from is not None or runner.iter:
            return
        file = CheckpointLoader.load_checkpoint(path, 'cpu', 'silent')
        given, state = backbone_weights(file), backbone.state_dict()
        found = compare_weights(state, given)
        fit = set(given).difference(found.unknown, found.reshaped)
        fit = {k for k in fit if state[k].ndim > 1}  # norms start alike
        if fit and not any(given[k].equal(state[k].cpu()) for k in fit):
            raise ValueError(
                f'model.backbone.{key}={path!r}: {len(fit)} weights of the '
                f'file fit, but {type(backbone).__name__} has loaded none of '
                'them. Use load_from; or pretrained with pretrained2d=False '
                'and a file of the backbone alone, whose names do not begin '
                "with 'backbone.' (tools/publish_model.py writes one)"
            )


def _own_file(backbone: Any) -> tuple[str, str | None]:
    """Return which argument of a backbone names a checkpoint, and its path."""
    init: Any = getattr(backbone, 'init_cfg', None)
    if isinstance(init, dict) and init.get('type') == 'Pretrained':
        return 'init_cfg.checkpoint', init.get('checkpoint')
    path = getattr(backbone, 'pretrained', None)
    return 'pretrained', path if isinstance(path, str) else None


def _parts(names: Iterable[str]) -> list[str]:
    """Return the first parts of names, such as backbone and cls_head."""
    return sorted({name.partition('.')[0] for name in names})


def _only(loaded: dict, state: dict, new: list[str]) -> dict:
    return {k: v for k, v in loaded.items() if k in state and k not in new}


def _complete(checkpoint: dict, weights: dict) -> None:
    """Make a checkpoint hold these weights, so that nothing is warned of."""
    old = checkpoint.get('state_dict', checkpoint)
    kept = type(old)(weights)
    if hasattr(old, '_metadata'):  # versions of modules
        kept._metadata = old._metadata
    checkpoint['state_dict'] = kept
