"""Networks, videos, and the maps of one in the other."""

import os.path as osp
import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from mmaction.models import BaseRecognizer
from mmaction.registry import MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmaction.utils import GradCAM
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from ..config import find_config
from ..datasets.sources import join, kind_of, read_list, scan_tree
from ..head import MoSIHead, _pooled


class Video(NamedTuple):
    """A video file; the label is '' where none is known."""

    path: str
    label: str

    @property
    def name(self) -> str:
        """File name without folder and extension."""
        return osp.splitext(osp.basename(self.path))[0]


def read_config(name: str, options: dict | None = None) -> Config:
    """Read a config file, or a packaged config by its name.

    Raises:
        FileNotFoundError: If it is neither.
    """
    cfg = Config.fromfile(find_config(name))
    cfg.merge_from_dict(options or {})
    init_default_scope(cfg.get('default_scope') or 'mmaction')
    return cfg


def build_network(
    cfg: Config,
    checkpoint: str | None = None,
    seed: int = 0,
    device: str = 'cpu',
) -> nn.Module:
    """Build the network of a config, in evaluation mode.

    Args:
        cfg: Of pretraining or fine-tuning.
        checkpoint: File to load; every weight must be in it. None leaves
            the random initialisation.
        seed: Of the random initialisation.
        device: Where to put it.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If its weights are not those of the network.
    """
    model_cfg = cfg.model.copy()
    # The file that fine-tuning started from is of no interest here.
    model_cfg.backbone = dict(model_cfg.backbone, pretrained=None)
    if (
        checkpoint is not None
        and '://' not in checkpoint
        and not osp.isfile(checkpoint)
    ):
        raise FileNotFoundError(f'CHECKPOINT: there is no file {checkpoint!r}')
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')  # else: several lines for every weight
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = MODELS.build(model_cfg)
            model.init_weights()
        if checkpoint is not None:
            load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
    except RuntimeError as error:
        raise ValueError(
            f'{checkpoint}: not a checkpoint of the network of '
            f'{cfg.filename}; give the config it was trained with. '
            f'{error}'
        ) from error
    finally:
        logger.setLevel(level)
    return model.to(device).float().eval()


def clip_settings(cfg: Config) -> tuple[int, int, int]:
    """Return (clip_len, frame_interval, crop side) that training uses.

    Pretraining has no frame interval; 2 is taken for it.

    Raises:
        ValueError: If the training pipeline does not tell.
    """
    steps = {s['type']: s for s in training_pipeline(cfg)}
    if 'DrawPseudoMotion' in steps:
        step = steps['DrawPseudoMotion']
        return step.get('clip_len', 16), 2, step.get('crop_size', 112)
    if 'SampleFrames' in steps:
        step = steps['SampleFrames']
        sides = [
            s[key]
            for s in steps.values()
            for key in ('size', 'crop_size', 'scale')
            if key in s
        ]
        return (
            step['clip_len'],
            step.get('frame_interval', 1),
            int(np.min(sides[-1])) if sides else 112,
        )
    raise ValueError(
        f'{cfg.filename}: its training pipeline has neither '
        'DrawPseudoMotion nor SampleFrames, so the length of a '
        'clip is not known'
    )


def training_pipeline(cfg: Config) -> list:
    """Return the training pipeline of a config, inside of wrappers too.

    Raises:
        ValueError: If there is none.
    """
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    while dataset and 'pipeline' not in dataset:
        dataset = (
            dataset.get('dataset') or (dataset.get('datasets') or [{}])[0]
        )
    if not dataset:
        raise ValueError(
            f'{cfg.filename}: train_dataloader.dataset has no pipeline'
        )
    return dataset['pipeline']


def find_videos(sources: Iterable[str], data_root: str = '') -> list[Video]:
    """List videos, with their labels where those are known.

    Args:
        sources: Video files; folders, whose first level of folders is the
            label; list files (``.txt``) with a label at the line's end.
        data_root: Folder that the paths in list files are relative to.

    Raises:
        FileNotFoundError: If a source or a listed video does not exist.
        ValueError: If there is no video.
    """
    videos = []
    for source in sources:
        if osp.isdir(source):
            for path in scan_tree(source):
                if kind_of(path)[1] == 'video':
                    parts = path.replace('\\', '/').split('/')
                    label = parts[0] if len(parts) > 1 else ''
                    videos.append(Video(join(source, path), label))
        elif source.endswith('.txt') and osp.isfile(source):
            with open(source, encoding='utf-8') as file:
                lines = [line for line in file if line.strip()]
            for path, line in zip(read_list(source, data_root), lines):
                words = line[len(path) :].split()
                videos.append(
                    Video(join(data_root, path), words[-1] if words else '')
                )
        else:
            videos.append(Video(source, ''))
    for video in videos:
        if not osp.isfile(video.path):
            raise FileNotFoundError(
                f'there is no video {video.path!r}; --data-root is the '
                'folder that the lines of a list are relative to'
            )
    if not videos:
        raise ValueError(f'no video in {list(sources)}')
    return videos


def read_clips(
    path: str, clip_len: int, interval: int, num_clips: int = 1
) -> np.ndarray:
    """Read clips that lie evenly over a video; one is from its middle.

    The transforms of fine-tuning and testing read them.

    Returns:
        (num_clips, clip_len, H, W, 3) uint8 RGB. A video that is too short
        starts again at its beginning.
    """
    steps = [
        dict(type='VideoInit'),
        dict(
            type='SampleFrames',
            clip_len=clip_len,
            frame_interval=interval,
            num_clips=num_clips,
            test_mode=True,
        ),
        dict(type='VideoDecode'),
    ]
    results = dict(filename=path, modality='RGB', start_index=0)
    imgs = Compose([TRANSFORMS.build(s) for s in steps])(results)['imgs']
    return np.stack(imgs).reshape(num_clips, clip_len, *imgs[0].shape)


def pack(clip: np.ndarray) -> dict:
    """Make the batch of one clip.

    Args:
        clip: (N, H, W, 3) uint8 RGB.
    """
    inputs = torch.from_numpy(np.ascontiguousarray(clip))
    return dict(
        inputs=[inputs.permute(3, 0, 1, 2)[None]],
        data_samples=[ActionDataSample()],
    )


def features(model: BaseRecognizer, clip: np.ndarray) -> np.ndarray:
    """Return the backbone's output for a clip, averaged: (D,) float32.

    Args:
        model: A recognizer in evaluation mode.
        clip: (N, H, W, 3) uint8 RGB.
    """
    with torch.no_grad():
        inputs = model.data_preprocessor(pack(clip))['inputs']
        feats, _ = model.extract_feat(inputs, stage='backbone')
        return torch.cat(list(_pooled(feats)), 1)[0].cpu().numpy()


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
