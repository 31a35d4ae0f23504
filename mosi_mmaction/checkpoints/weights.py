"""Names of the weights of a backbone."""

import torch


def backbone_weights(file: dict) -> dict[str, torch.Tensor]:
    """Return the backbone weights of a checkpoint, names without prefix."""
    weights = file.get('state_dict', file)
    prefixed = {
        k[len('backbone.') :]: v
        for k, v in weights.items()
        if k.startswith('backbone.')
    }
    return prefixed or dict(weights)
