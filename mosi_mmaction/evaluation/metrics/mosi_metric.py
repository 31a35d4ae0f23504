"""Accuracy of the pretext task, overall and by label group."""

from collections.abc import Sequence

import numpy as np
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric

from ...method.motion import LabelPool


@METRICS.register_module()
class MoSIMetric(BaseMetric):
    """Accuracy over the label pool, by direction and by speed.

    Keys, each in [0, 1]: ``top1`` over all clips; ``left``, ``right``,
    ``up``, ``down`` over the clips with that direction; ``speed1`` to
    ``speedK`` over those with that speed; ``static``; and further kinds of
    motion, named as in :func:`label_groups`. With ``decoupled=False`` a label
    counts for both of its directions.

    Args:
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: Prefix of the keys.
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
        """Compute the values of the keys above."""
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
        ``swing_x``, ``swing_y``; ``sideways`` and ``turn`` if labels have no
        sign. Empty groups are omitted.
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
