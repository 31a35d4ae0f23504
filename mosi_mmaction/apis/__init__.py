"""Uses of a trained network: build it, read clips, compute features."""

from typing import Any

__all__ = ['Prediction', 'classify', 'features']


def __getattr__(name: str) -> Any:
    # Later, as tools import this package before they know what they need.
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from . import inference

    return getattr(inference, name)
