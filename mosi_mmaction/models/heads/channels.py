"""Whether a classifier fits the features that it is given."""

from typing import Any

from torch import Tensor


def check_channels(head: Any, feats: Any) -> None:
    """Stop with the right number where a head does not fit its backbone.

    Args:
        head: A classifier; only one with ``in_channels`` is checked.
        feats: Output of the backbone: (M, D), (M, D, H, W) or
            (M, D, T, H, W), or several of these, whose D add up. Anything
            else is left to the head.

    Raises:
        ValueError: If the numbers differ.
    """
    parts = feats if isinstance(feats, (list, tuple)) else [feats]
    wanted = getattr(head, 'in_channels', None)
    if not isinstance(wanted, int) or not all(
        isinstance(part, Tensor) and part.ndim in (2, 4, 5) for part in parts
    ):
        return
    found = sum(part.shape[1] for part in parts)
    if found != wanted:
        raise ValueError(
            f'model.cls_head.in_channels={wanted}, but the backbone returns '
            f'{found} channels: set model.cls_head.in_channels to {found}'
        )
