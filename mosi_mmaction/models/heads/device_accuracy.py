"""MMAction2's classifiers, with their accuracy counted on the device.

``BaseHead.loss_by_feat`` copies scores and labels to the CPU to count top-k
accuracy, and so waits for the device twice a step.
"""

from types import MethodType

import torch
from mmaction.models.heads import BaseHead
from torch import Tensor


def count_on_device(head: BaseHead) -> bool:
    """Let a head count top-k accuracy where its scores are. In place.

    Args:
        head: One of MMAction2, with its own ``loss_by_feat``.

    Returns:
        Whether it was changed; a head with a loss of its own is not.
    """
    if getattr(type(head), 'loss_by_feat', None) is not BaseHead.loss_by_feat:
        return False
    head.loss_by_feat = MethodType(_loss_by_feat, head)
    return True


def _loss_by_feat(
    head: BaseHead, cls_scores: Tensor, data_samples: list
) -> dict[str, Tensor]:
    labels = torch.stack([x.gt_label for x in data_samples]).squeeze(-1)
    if labels.ndim != 1 or head.label_smooth_eps != 0:
        return BaseHead.loss_by_feat(head, cls_scores, data_samples)
    labels = labels.to(cls_scores.device, non_blocking=True)
    losses = {}
    scores = cls_scores.detach()
    for k in head.topk:
        # MMAction2 takes all classes where there are fewer than k.
        best = scores.topk(min(k, scores.shape[1]), 1).indices
        found = (best == labels[:, None]).any(1)
        losses[f'top{k}_acc'] = found.double().mean()
    loss = head.loss_cls(cls_scores, labels)
    losses.update(loss if isinstance(loss, dict) else dict(loss_cls=loss))
    return losses
