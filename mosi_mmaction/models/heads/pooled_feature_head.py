"""A head without a classifier that returns pooled features."""

from collections.abc import Iterator, Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class PooledFeatureHead(BaseModule):
    """Put the backbone's pooled feature into the data sample.

    It is used to evaluate frozen features; there is nothing to train.
    MMAction2's ``FeatureHead`` returns bare tensors, which metrics cannot use.
    """

    def predict(
        self, feats: Tensor | Sequence, data_samples: list, **kwargs
    ) -> list:
        """Average over time, space and the clips of a video.

        Returns:
            The data samples with ``feature``, (D,) float32.
        """
        pooled = torch.cat(list(pool_features(feats)), dim=1).float()
        pooled = pooled.view(len(data_samples), -1, pooled.shape[1])
        for sample, feature in zip(data_samples, pooled.mean(1)):
            sample.set_field(feature, 'feature')
        return data_samples


def pool_features(x: Tensor | Sequence) -> Iterator[Tensor]:
    """Yield averages over time and space, (M, D), of every tensor in x."""
    if not isinstance(x, Tensor):
        for part in x:
            yield from pool_features(part)
    elif x.ndim == 2:
        yield x
    elif x.ndim == 3:
        yield x.mean(1)
    else:
        yield x.flatten(2).mean(2)
