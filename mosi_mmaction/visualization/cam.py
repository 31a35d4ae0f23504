"""Grad-CAM of a video network."""

import warnings

import numpy as np
import torch
from mmaction.models import BaseRecognizer
from mmaction.utils import GradCAM

from ..apis.networks import pack
from ..models.heads.mosi_head import MoSIHead


class CAM:
    """MMAction2's Grad-CAM of one layer, for MoSI's networks too.

    Args:
        model: A Recognizer3D. Use it for nothing else afterwards: the stock
            class leaves its hooks in it.
        layer: Names from the model down to the layer with slashes between,
            such as ``'backbone/layer4'``; the last stage by default.
        explain: ``'top'``: the network's own top prediction, by its score
            before the softmax. ``'motion'``: that anything moves, by the
            log-odds of all moving labels against the static one; of
            pretraining only.

    Raises:
        ValueError: If the last stage is not known, the layer not there, or
            there are no labels that move and that do not.
    """

    def __init__(
        self,
        model: BaseRecognizer,
        layer: str | None = None,
        explain: str = 'top',
    ) -> None:
        if layer is None:
            stages = getattr(model.backbone, 'res_layers', None)
            if not stages:
                raise ValueError(
                    f'{type(model.backbone).__name__} does not tell its last '
                    'stage: name a layer, as in --target-layer '
                    'backbone/layer4'
                )
            layer = f'backbone/{stages[-1]}'
        try:
            model.get_submodule(layer.replace('/', '.'))
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
        self.names = pool.names if pool else range(head.num_classes)
        # Those of the heads ask for labels, average, or return
        # probabilities, in whose saturation gradients vanish.
        head.predict = self._predict
        self.model = model
        self.stock = GradCAM(model, layer)
        # Frozen weights stop the gradient. After the line above, as eval()
        # freezes stages anew.
        for weight in model.parameters():
            weight.requires_grad_()

    def __call__(self, clip: np.ndarray) -> tuple[np.ndarray, str]:
        """Explain one clip.

        Args:
            clip: (N, H, W, 3) uint8 RGB.

        Returns:
            The map, (N, H, W) float in [0, 1], all zero where no evidence
            is positive; and the name of the top prediction.
        """
        # One clip a sample, as the stock class averages the scores of clips.
        with warnings.catch_warnings():
            # The stock class registers a hook of torch's older kind.
            warnings.simplefilter('ignore')
            cam, _ = self.stock._calculate_localization_map(
                pack(clip), use_labels=False
            )
        return cam[0].cpu().numpy(), str(self.names[self._top])

    def _predict(self, feats, data_samples, **kwargs):
        """Stand in for the head's predict: one clip, one score."""
        scores = self.model.cls_head(feats, **kwargs)[0]
        self._top = int(scores.argmax())
        if self._moving is None:
            explained = scores[self._top]
        else:
            moving = self._moving.to(scores.device)
            explained = scores[moving].logsumexp(0) - scores[
                ~moving
            ].logsumexp(0)
        data_samples[0].set_pred_score(explained[None])
        return data_samples
