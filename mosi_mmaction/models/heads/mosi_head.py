"""The pretext task's classifier (paper Sec. 3.1)."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from mmaction.models.heads import BaseHead
from mmaction.registry import MODELS
from mmengine.model.weight_init import normal_init
from torch import Tensor, nn

from ...method.motion import LabelPool
from .channels import check_channels
from .pooled_feature_head import pool_features


@MODELS.register_module()
class MoSIHead(BaseHead):
    """Classify direction and speed of every clip of a batch.

    The number of classes follows from the label pool, whose arguments are
    those of :class:`~mosi_mmaction.DrawPseudoMotion`.

    Args:
        in_channels: Channels of the backbone's output; their sum if it
            returns several tensors.
        num_speeds: |S|, odd and at least 3.
        axes: Axes of the motion, ``'x'``, ``'y'`` or ``'xy'``.
        decoupled: Whether at most one axis moves at a time; False for all
            |S|² pairs of speeds.
        static: Whether standing still is a label.
        motions: Kinds of motion, see :class:`~mosi_mmaction.LabelPool`.
        signed: Whether a motion and its mirror image have two labels.
        separate: Whether each axis (and zoom, turn, ...) has its own
            classifier of its speeds; otherwise one joint classifier predicts
            the label.
        dropout_ratio: Dropout probability before the classifier.
        init_std: Standard deviation of the initial classifier weights.
        **kwargs: Arguments of MMAction2's ``BaseHead``: ``loss_cls``; those
            of its metrics have no effect.

    Raises:
        ValueError: If the arguments define no valid label pool, or would
            change training in a way that this head does not support.
    """

    def __init__(
        self,
        in_channels: int,
        num_speeds: int = 5,
        axes: str = 'xy',
        decoupled: bool = True,
        static: bool = True,
        separate: bool = False,
        dropout_ratio: float = 0.5,
        init_std: float = 0.01,
        motions: Sequence[str] = ('shift',),
        signed: bool = True,
        **kwargs,
    ) -> None:
        pool = LabelPool(num_speeds, axes, decoupled, static, motions, signed)
        for name in ('multi_class', 'label_smooth_eps', 'init_cfg'):
            if kwargs.get(name):
                raise ValueError(
                    f'MoSIHead.{name}={kwargs[name]!r}: not supported by this '
                    'head, whose loss is loss_cls and whose weights are drawn '
                    'with init_std; remove it'
                )
        super().__init__(len(pool), in_channels, **kwargs)
        self.pool = pool
        self.separate = separate
        self.init_std = init_std
        self.dropout = nn.Dropout(dropout_ratio)
        if separate:
            for name, classes in zip(pool.components, pool.axis_classes):
                self.add_module(
                    f'fc_cls_{name}', nn.Linear(in_channels, classes)
                )
        else:
            self.fc_cls = nn.Linear(in_channels, len(pool))
        self.register_buffer(
            'axis_labels', torch.tensor(pool.axis_labels), persistent=False
        )

    def init_weights(self) -> None:
        """Initialise the classifiers."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                normal_init(module, std=self.init_std)

    def forward(self, x: Tensor | Sequence, **kwargs) -> Tensor:
        """Score the labels of the pool.

        Args:
            x: Output of the backbone for M clips: (M, D, T, H, W) features,
                (M, T, D) tokens, (M, D) vectors, or a tuple of these.
            **kwargs: Not used.

        Returns:
            (M, C) log-likelihoods up to a constant. With separate heads, the
            score of a label is the sum of the scores of its speeds on all
            axes.
        """
        return self._joint(self._axis_scores(x))

    def loss(
        self, feats: Tensor | Sequence, data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        """Return ``loss_cls`` and ``top1_acc``, both on the device.

        With separate heads the loss is the sum of the axes' losses.

        Raises:
            ValueError: If a label is not in the pool, or the clips were
                made with another pool.
        """
        labels = self._labels(data_samples)
        scores = self._axis_scores(feats)
        device = scores[0].device
        labels = labels.to(device, non_blocking=True)
        if self.separate:
            targets = self.axis_labels[labels].unbind(1)
        else:
            targets = (labels,)
        losses = [self.loss_cls(s, t) for s, t in zip(scores, targets)]
        correct = self._joint(scores).argmax(1) == labels
        return dict(loss_cls=sum(losses), top1_acc=correct.float().mean())

    def predict(
        self, feats: Tensor | Sequence, data_samples: list, **kwargs
    ) -> list:
        """Put predictions into the data samples.

        Returns:
            The data samples with ``pred_score`` (C, C) float32, a row of
            probabilities for each clip, and ``pred_label`` (C,) int64.

        Raises:
            ValueError: As :meth:`loss`.
        """
        self._labels(data_samples)
        scores = self(feats).float().softmax(1)
        scores = scores.view(len(data_samples), -1, self.num_classes)
        for sample, score in zip(data_samples, scores):
            sample.set_pred_score(score)
            sample.set_pred_label(score.argmax(1))
        return data_samples

    def _axis_scores(self, x) -> list[Tensor]:
        pooled = torch.cat(list(pool_features(x)), dim=1)  # (M, D)
        check_channels(self, pooled)
        pooled = self.dropout(pooled)
        if self.separate:
            return [
                getattr(self, f'fc_cls_{c}')(pooled)
                for c in self.pool.components
            ]
        return [self.fc_cls(pooled)]

    def _joint(self, scores: list[Tensor]) -> Tensor:
        if not self.separate:
            return scores[0]
        return cast(
            Tensor,
            sum(
                F.log_softmax(s, 1)[:, self.axis_labels[:, i]]
                for i, s in enumerate(scores)
            ),
        )

    def _labels(self, data_samples: list) -> Tensor:
        """Return the labels of all clips, (B * C,), checked."""
        for sample in data_samples:
            made = sample.get('label_pool', self.pool)
            if made != self.pool:
                raise ValueError(
                    f'the clips of {sample.get("img_path", "a sample")!r} '
                    f'were made with {made}, but the head has {self.pool}: '
                    'give DrawPseudoMotion and MoSIHead the same arguments; '
                    'set_motion() changes both at once'
                )
        labels = torch.stack([s.gt_label for s in data_samples]).flatten()
        # On a device this check would make the step wait for the device;
        # there the loss itself fails if a label is out of range.
        if labels.device.type == 'cpu':
            low, high = labels.min().item(), labels.max().item()
            if low < 0 or high >= self.num_classes:
                raise ValueError(
                    f'gt_label contains {low if low < 0 else high}, outside '
                    f'the {self.num_classes} labels of {self.pool}'
                )
        return labels
