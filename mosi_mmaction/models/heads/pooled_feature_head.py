"""A head without a classifier: it hands out pooled features."""

from collections.abc import Iterator, Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor


@MODELS.register_module()
class PooledFeatureHead(BaseModule):
    """Put the backbone's pooled feature into the data sample.

    For evaluation on frozen features; there is nothing to train. MMAction2's
    ``FeatureHead`` returns bare tensors, which no metric sees.
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
    """Yield (M, D) averages over time and space of all that x holds."""
    if not isinstance(x, Tensor):
        for part in x:
            yield from pool_features(part)
    elif x.ndim == 2:
        yield x
    elif x.ndim == 3:
        yield x.mean(1)
    else:
        yield x.flatten(2).mean(2)
