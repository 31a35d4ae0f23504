"""Grad-CAM of a video network."""

from collections.abc import Sequence

import numpy as np
import torch
from mmaction.models import BaseRecognizer
from torch.nn.functional import interpolate

from ..apis.networks import pack
from ..models.heads.mosi_head import MoSIHead


class CAM:
    """Grad-CAM of one layer, for MoSI's networks too.

    The weight of a channel is the mean gradient over its positions, separately
    in each frame of the layer, as in MMAction2.

    Args:
        model: Recognizer3D in evaluation mode, which is not changed.
        layer: Path from the model to the layer, separated by slashes, such as
            ``'backbone/layer4'``; the last stage by default.
        explain: What to explain. ``'top'``: the network's own top prediction,
            by its score before the softmax. ``'motion'``: that anything
            moves, by the log-odds of all moving labels against the static
            one; for pretrained networks only.
        names: Names of the classes for titles; by default those of the label
            pool, or numbers.

    Raises:
        ValueError: If the last stage is unknown, the layer does not exist, or
            the labels do not include both motion and static.
    """

    def __init__(
        self,
        model: BaseRecognizer,
        layer: str | None = None,
        explain: str = 'top',
        names: Sequence[str] | None = None,
    ) -> None:
        if layer is None:
            stages = getattr(model.backbone, 'res_layers', None)
            if not stages:
                raise ValueError(
                    f'{type(model.backbone).__name__} does not name its last '
                    'stage: specify a layer, as in --target-layer '
                    'backbone/layer4'
                )
            layer = f'backbone/{stages[-1]}'
        try:
            self._layer = model.get_submodule(layer.replace('/', '.'))
        except AttributeError as error:
            raise ValueError(
                f'no layer {layer!r} in the network: {error}'
            ) from error
        head = model.cls_head
        pool = head.pool if isinstance(head, MoSIHead) else None
        if explain not in ('top', 'motion'):
            raise ValueError(
                f"explain={explain!r}: allowed are 'top' and 'motion'"
            )
        self._moving = None
        if explain == 'motion':
            if not (pool and pool.static):
                raise ValueError(
                    "explain='motion' is for a MoSIHead with a static label; "
                    "use 'top'"
                )
            self._moving = torch.from_numpy(pool.table.any(1))
        self.names: Sequence[str | int] = (
            pool.names if pool else range(head.num_classes)
        )
        if names is not None and len(names) == len(self.names):
            self.names = names
        self.model = model

    def __call__(self, clip: np.ndarray) -> tuple[np.ndarray, str]:
        """Explain one clip.

        Args:
            clip: (N, H, W, 3) uint8 RGB clip.

        Returns:
            The map, (N, H, W) float in [0, 1], all zero if no evidence is
            positive; and the name of the top prediction.

        Raises:
            ValueError: If the layer's output is not (B, C, T, H, W).
        """
        seen: list[torch.Tensor] = []

        def start_here(layer, args, output):
            # The gradient stops here, whatever is frozen before. A copy is
            # passed on, as later layers may work in place.
            if not isinstance(output, torch.Tensor) or output.ndim != 5:
                raise ValueError(
                    f'{type(layer).__name__}: Grad-CAM needs a layer whose '
                    'output is (B, C, T, H, W); specify another one'
                )
            seen.append(output.detach().requires_grad_())
            return seen[-1].clone()

        handle = self._layer.register_forward_hook(start_here)
        try:
            with torch.enable_grad():
                inputs = self.model.data_preprocessor(pack(clip))['inputs']
                feats, kwargs = self.model.extract_feat(inputs, test_mode=True)
                # Not the head's predict: it averages or returns
                # probabilities, whose gradients vanish in saturation.
                scores = self.model.cls_head(feats, **kwargs)[0]
                top = int(scores.argmax())
                (gradient,) = torch.autograd.grad(
                    self._explained(scores, top), seen[-1]
                )
        finally:
            handle.remove()
        weights = gradient.mean((-2, -1), keepdim=True)  # (1, C, T, 1, 1)
        cam = (weights * seen[-1].detach()).sum(1, keepdim=True).relu()
        cam = interpolate(cam, clip.shape[:3], mode='trilinear')[0, 0]
        low, high = cam.min(), cam.max()
        cam = (cam - low) / (high - low + 1e-20)
        return cam.cpu().numpy(), str(self.names[top])

    def _explained(self, scores: torch.Tensor, top: int) -> torch.Tensor:
        """Return the value to explain, from the scores (K,)."""
        if self._moving is None:
            return scores[top]
        moving = self._moving.to(scores.device)
        return scores[moving].logsumexp(0) - scores[~moving].logsumexp(0)
