"""How well a network names motions, in all and label by label."""

from collections.abc import Sequence

import numpy as np
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric

from ...method.motion import LabelPool


@METRICS.register_module()
class MoSIMetric(BaseMetric):
    """Accuracy over the label pool, by direction and by speed.

    Keys, each in [0, 1]: ``top1`` over all clips; ``left``, ``right``,
    ``up``, ``down`` over the clips whose label moves that way; ``speed1``
    to ``speedK`` over those that move that fast; ``static``. With
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
        ``static``, ``speed1`` ... ``speedK``; empty groups left out.
    """
    x, y = pool.speeds.T
    groups = dict(
        left=x < 0,
        right=x > 0,
        up=y < 0,
        down=y > 0,
        static=(x == 0) & (y == 0),
    )
    for speed in range(1, pool.max_speed + 1):
        groups[f'speed{speed}'] = np.maximum(abs(x), abs(y)) == speed
    return {k: np.flatnonzero(v) for k, v in groups.items() if v.any()}
