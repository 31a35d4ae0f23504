"""How weights are named and compared, and where a model keeps them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from mmengine.model import is_model_wrapper
from torch import nn


def unwrap_model(model: nn.Module) -> nn.Module:
    """Return the network inside a wrapper such as DistributedDataParallel."""
    return model.module if is_model_wrapper(model) else model


def without_prefix(weights: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return weights with a prefix taken off the names that have it."""
    return {str(k).removeprefix(prefix): v for k, v in weights.items()}


def checkpoint_weights(file: dict) -> dict[str, Any]:
    """Return the weights of a checkpoint, as those of an unwrapped model.

    Args:
        file: A checkpoint, with or without the key ``state_dict``.
    """
    return without_prefix(file.get('state_dict', file), 'module.')


def backbone_weights(
    file: dict, prefix: str = 'backbone.'
) -> dict[str, torch.Tensor]:
    """Return a checkpoint's backbone weights, names without prefix.

    Args:
        file: A checkpoint, of a whole recognizer or of a backbone alone.
        prefix: Prefix of the backbone in a whole recognizer.
    """
    weights = checkpoint_weights(file)
    return {
        k.removeprefix(prefix): v
        for k, v in weights.items()
        if k.startswith(prefix)
    } or weights


class Comparison(NamedTuple):
    """How weights differ from those that are wanted, by names.

    Attributes:
        missing: Wanted, and not there.
        reshaped: There in another shape.
        unknown: There, and not wanted.
    """

    missing: list[str]
    reshaped: list[str]
    unknown: list[str]


def compare_weights(
    wanted: Mapping[str, Any], given: Mapping[str, Any]
) -> Comparison:
    """Compare names and shapes of weights.

    Args:
        wanted: Those of the network, tensors by name.
        given: Those that are there; a value that is no tensor has no shape
            that fits.
    """
    return Comparison(
        [k for k in wanted if k not in given],
        [k for k in wanted if k in given and not _fits(given[k], wanted[k])],
        [k for k in given if k not in wanted],
    )


def describe_shapes(
    names: Iterable[str], wanted: Mapping[str, Any], given: Mapping[str, Any]
) -> list[str]:
    """Return the two shapes of weights in words."""
    return [
        f'{k} {_shape(given[k])} instead of {_shape(wanted[k])}' for k in names
    ]


def _shape(value: Any) -> tuple | None:
    return tuple(value.shape) if hasattr(value, 'shape') else None


def _fits(value: Any, wanted: Any) -> bool:
    return _shape(value) == _shape(wanted) is not None


def describe_renaming(wanted: dict, loaded: dict) -> str:
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
