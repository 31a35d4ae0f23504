"""How well motions are named, and how well features tell actions apart."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric

from .motion import LabelPool


@METRICS.register_module()
class MoSIMetric(BaseMetric):
    """Accuracy over the label pool, by direction and by speed.

    Keys, each in [0, 1]: ``top1`` over all clips; ``left``, ``right``,
    ``up``, ``down`` over the clips whose label moves that way; ``speed1``
    to ``speedK`` over those that move that fast; ``static``; further kinds
    of motion as :func:`label_groups` names them. With
    ``decoupled=False`` a label counts for both of its directions.

    Args:
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: Put before the keys.
    """

    default_prefix = 'pretext'

    def __init__(
        self, collect_device: str = 'cpu', prefix: str | None = None
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)

    def process(
        self, data_batch: dict | None, data_samples: Sequence[dict]
    ) -> None:
        """Keep labels and predictions, (C,) each, of every image."""
        for sample in data_samples:
            self.results.append(
                (
                    sample['label_pool'],
                    sample['gt_label'].cpu().numpy(),
                    sample['pred_label'].cpu().numpy(),
                )
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the keys named above."""
        pool = results[0][0]
        gt = np.concatenate([r[1] for r in results])
        correct = gt == np.concatenate([r[2] for r in results])
        metrics = dict(top1=float(correct.mean()))
        for name, labels in label_groups(pool).items():
            of_group = correct[np.isin(gt, labels)]
            if of_group.size:
                metrics[name] = float(of_group.mean())
        return metrics


def label_groups(pool: LabelPool) -> dict[str, np.ndarray]:
    """Return the labels of every direction and speed of a pool.

    Returns:
        Name to label indices: ``left``, ``right``, ``up``, ``down``,
        ``static``, ``speed1`` ... ``speedK``; for pools that have them
        ``zoom_out``, ``zoom_in``, ``turn_left``, ``turn_right``,
        ``swing_x``, ``swing_y``; ``sideways`` and ``turn`` where labels have
        no sign. Empty groups are left out.
    """
    x, y, zoom, turn, swing_x, swing_y = pool.table.T
    groups = dict(
        left=x < 0,
        right=x > 0,
        up=y < 0,
        down=y > 0,
        zoom_out=zoom < 0,
        zoom_in=zoom > 0,
        turn_left=turn < 0,
        turn_right=turn > 0,
        swing_x=swing_x > 0,
        swing_y=swing_y > 0,
        static=~pool.table.any(1),
    )
    if not pool.signed:
        groups['sideways'] = groups.pop('right')
        groups['turn'] = groups.pop('turn_right')
    for speed in range(1, pool.max_speed + 1):
        groups[f'speed{speed}'] = abs(pool.table).max(1) == speed
    return {k: np.flatnonzero(v) for k, v in groups.items() if v.any()}


@METRICS.register_module()
class NearestNeighborMetric(BaseMetric):
    """Retrieval and k-NN on frozen features: no weight is trained.

    Every query (test video) is compared by cosine similarity with every
    item of the gallery (training videos). Keys, each in [0, 1]: ``R@k``,
    whether one of the k nearest items has the query's class; ``knn``,
    top-1 of a vote of the ``knn`` nearest, weighted by
    exp(similarity / temperature).

    Gallery and queries are one data set, so that neither is loaded twice
    and, on several ranks, MMEngine drops what a sampler padded and nothing
    else. :class:`~mosi_mmaction.SetRole` tells them apart and
    :class:`~mosi_mmaction.PooledFeatureHead` makes the features.

    Args:
        ks: For ``R@k``.
        knn: Number of voters; at most the gallery's size votes.
        temperature: Of the vote.
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: Put before the keys.
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
        """Compute the keys named above.

        Raises:
            ValueError: If the gallery or the queries are missing.
        """
        labels, features = {}, {}
        for role in ('gallery', 'query'):
            of_role = [r for r in results if r[0] == role]
            if not of_role:
                raise ValueError(
                    f'no sample has role={role!r}: the data '
                    'set must hold gallery and queries'
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
