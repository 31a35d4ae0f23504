"""Frozen features of clips, and what reaches the batch norms meanwhile."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.models import BaseRecognizer
from mmaction.structures import ActionDataSample
from torch import nn

from ..models.heads.pooled_feature_head import pool_features
from .networks import Network

#: Pixels of a batch: larger ones keep small networks busy.
BATCH_PIXELS = 2**20


@dataclass
class Features:
    """What a network says of M clips.

    Attributes:
        pooled: Averages over time and space, (M, D) float32.
        placed: Averages over time and quarters of the frame, (M, 4 D)
            float32; ``pooled`` where its output has no place.
        scores: Of its own MoSI head, (M, C) float32; None without one.
    """

    pooled: np.ndarray
    placed: np.ndarray
    scores: np.ndarray | None = None


@dataclass
class NormRecord:
    """Statistics of what reaches a batch norm, beside those it remembers.

    Attributes:
        name: Of the module.
        module: The batch norm.
        sums: Count, and sums of values and squares of each channel.
    """

    name: str
    module: nn.Module
    sums: list = field(default_factory=lambda: [0, 0.0, 0.0])

    def see(self, values: torch.Tensor) -> None:
        """Count what comes in, (M, D, ...)."""
        axes = [0, *range(2, values.ndim)]
        var, mean = torch.var_mean(values.detach(), axes, correction=0)
        count = values.numel() // values.shape[1]
        var, mean = var.double(), mean.double()
        self.sums[0] += count
        self.sums[1] = self.sums[1] + count * mean
        self.sums[2] = self.sums[2] + count * (var + mean**2)

    def moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and variance of each channel."""
        count, total, squares = self.sums
        mean = total / count
        return mean, (squares / count - mean**2).clamp(min=0)


def inputs_of(network: Network, clips: np.ndarray) -> torch.Tensor:
    """Normalise clips as the network wants them.

    Args:
        network: The network.
        clips: (M, T, H, W, 3) uint8 RGB.

    Returns:
        (M, 3, T, H, W) float32, on the network's device.
    """
    batch = torch.from_numpy(np.ascontiguousarray(clips))
    batch = batch.permute(0, 4, 1, 2, 3)
    model = network.model
    if isinstance(model, BaseRecognizer):
        if model.data_preprocessor is not None:
            packed = dict(
                inputs=[clip[None] for clip in batch],
                data_samples=[ActionDataSample() for _ in batch],
            )
            return model.data_preprocessor(packed)['inputs'].flatten(0, 1)
    device = next((p.device for p in model.parameters()), torch.device('cpu'))
    shape = (3, 1, 1, 1)
    batch = batch.to(device, torch.float32)
    batch -= torch.tensor(network.mean, device=device).view(shape)
    return batch / torch.tensor(network.std, device=device).view(shape)


def take_features(
    network: Network, batches: Iterable[np.ndarray], norms: list | None = None
) -> Features:
    """Run clips through the frozen network.

    Args:
        network: The network.
        batches: Clips, (M, T, H, W, 3) uint8 RGB each.
        norms: Where to append a :class:`NormRecord` for each batch norm.

    Raises:
        ValueError: If it does not take clips, or its output is not one
            row a clip.
    """
    model = network.model
    is_recognizer = isinstance(model, BaseRecognizer)
    backbone = model.backbone if is_recognizer else model
    head = getattr(model, 'cls_head', None)
    if not hasattr(head, 'pool'):
        head = None  # only a MoSIHead has scores of our labels
    records, handles = [], []
    if norms is not None:
        for name, module in backbone.named_modules():
            if (
                isinstance(module, nn.modules.batchnorm._BatchNorm)
                and module.running_mean is not None
            ):
                record = NormRecord(name, module)
                records.append(record)
                handles.append(
                    module.register_forward_pre_hook(
                        lambda _, args, record=record: record.see(args[0])
                    )
                )
    pooled, placed, scores = [], [], []
    try:
        for clips in _grouped(batches):
            with torch.no_grad():
                output = _run(network, backbone, clips)
                whole = torch.cat(list(pool_features(output)), 1)
                if len(whole) != len(clips):
                    raise ValueError(
                        f'{network.name}: {len(whole)} rows of features for '
                        f'{len(clips)} clips; the probe wants a network of '
                        'clips (M, 3, T, H, W)'
                    )
                pooled.append(whole.float().cpu().numpy())
                parts = torch.cat(list(_quarters(output)), 1)
                placed.append(parts.float().cpu().numpy())
                if head is not None:
                    scores.append(head(output).float().cpu().numpy())
    finally:
        for handle in handles:
            handle.remove()
    if norms is not None:
        norms += [r for r in records if r.sums[0]]
    return Features(
        np.concatenate(pooled),
        np.concatenate(placed),
        np.concatenate(scores) if scores else None,
    )


def _grouped(batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield larger batches, of up to about BATCH_PIXELS pixels."""
    waiting: list[np.ndarray] = []
    for clips in batches:
        waiting.append(clips)
        if sum(c[..., 0].size for c in waiting) >= BATCH_PIXELS:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def _run(network: Network, backbone: nn.Module, clips: np.ndarray):
    try:
        return backbone(inputs_of(network, clips))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(
            f'{network.name} takes no clips of {network.clip_len} x '
            f'{network.side}²: {str(error).splitlines()[0]}. Give it the '
            'clips it was built for: --clip-len, --side'
        ) from error


def _quarters(x):
    """Yield averages over time and the quarters of the frame, (M, 4 D)."""
    if not isinstance(x, torch.Tensor):
        for part in x:
            yield from _quarters(part)
    elif x.ndim == 5:
        yield F.adaptive_avg_pool3d(x, (1, 2, 2)).flatten(1)
    else:
        yield from pool_features(x)
