"""How the weights of a backbone are named."""

import torch


def backbone_weights(file: dict) -> dict[str, torch.Tensor]:
    """Return a checkpoint's backbone weights, names without prefix."""
    weights = file.get('state_dict', file)
    prefixed = {
        k[len('backbone.') :]: v
        for k, v in weights.items()
        if k.startswith('backbone.')
    }
    return prefixed or dict(weights)
