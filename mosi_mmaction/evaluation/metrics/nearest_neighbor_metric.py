"""Retrieval and k-NN on frozen features."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric


@METRICS.register_module()
class NearestNeighborMetric(BaseMetric):
    """Retrieval and k-NN on frozen features: no weight is trained.

    Every query (test video) is compared by cosine similarity with every
    item of the gallery (training videos). Keys, each in [0, 1]: ``R@k``,
    whether one of the k nearest items has the query's class; ``knn``,
    top-1 of a vote of the ``knn`` nearest, weighted by
    exp(similarity / temperature).

    Gallery and queries are one dataset, so that neither is loaded twice and,
    on several ranks, MMEngine drops exactly the padding of the sampler.
    :class:`~mosi_mmaction.SetRole` distinguishes them and
    :class:`~mosi_mmaction.PooledFeatureHead` computes the features.

    Args:
        ks: Values of k for ``R@k``.
        knn: Number of voters; at most the size of the gallery.
        temperature: Temperature of the vote.
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: Prefix of the keys.
    """

    default_prefix = 'retrieval'

    def __init__(
        self,
        ks: Sequence[int] = (1, 5, 10, 20, 50),
        knn: int = 20,
        temperature: float = 0.07,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ks = tuple(ks)
        self.knn = knn
        self.temperature = temperature

    def process(
        self, data_batch: dict | None, data_samples: Sequence[dict]
    ) -> None:
        """Keep role, label and feature (D,) of every video."""
        for sample in data_samples:
            if sample.get('role') not in ('gallery', 'query'):
                raise ValueError(
                    f'role={sample.get("role")!r}: put SetRole into both '
                    "pipelines and 'role' into PackActionInputs.meta_keys"
                )
            self.results.append(
                (
                    sample['role'],
                    int(sample['gt_label']),
                    sample['feature'].float().cpu(),
                )
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the values of the keys above.

        Raises:
            ValueError: If the gallery or the queries are missing.
        """
        labels, features = {}, {}
        for role in ('gallery', 'query'):
            of_role = [r for r in results if r[0] == role]
            if not of_role:
                raise ValueError(
                    f'no sample has role={role!r}: the dataset '
                    'must contain gallery and queries'
                )
            labels[role] = torch.tensor([r[1] for r in of_role])
            features[role] = F.normalize(torch.stack([r[2] for r in of_role]))
        similarity = features['query'] @ features['gallery'].T  # (Q, G)
        size = len(labels['gallery'])
        most = min(max(*self.ks, self.knn), size)
        nearest = similarity.topk(most)
        found = labels['gallery'][nearest.indices]  # (Q, most)
        hits = found == labels['query'][:, None]
        metrics = {
            f'R@{k}': hits[:, :k].any(1).float().mean().item() for k in self.ks
        }
        voters = min(self.knn, size)
        votes = torch.zeros(len(found), int(labels['gallery'].max()) + 1)
        votes.scatter_add_(
            1,
            found[:, :voters],
            (nearest.values[:, :voters] / self.temperature).softmax(1),
        )
        right = votes.argmax(1) == labels['query']
        metrics['knn'] = right.float().mean().item()
        return metrics
