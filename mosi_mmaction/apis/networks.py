"""Build networks from configs and checkpoints, and compute features."""

import os.path as osp

import numpy as np
import torch
from mmaction.models import BaseRecognizer
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from ..checkpoints.config import config_of, plain_network
from ..checkpoints.files import read_checkpoint
from ..checkpoints.zoo import find_checkpoint, load_backbone
from ..config.lookup import find_config
from ..config.walk import SAMPLING, name_classes
from ..models.data_preprocessors import MoSIDataPreprocessor
from ..models.heads.pooled_feature_head import pool_features
from .videos import names_beside


def read_config(name: str, options: dict | None = None) -> Config:
    """Read a config file, or a packaged config by its name.

    The registered classes of a pure-Python config are replaced by their
    names, so that both kinds of configs are read alike.

    Raises:
        FileNotFoundError: If it is neither.
    """
    cfg = Config.fromfile(find_config(name))
    cfg.merge_from_dict(options or {})
    init_default_scope(cfg.get('default_scope') or 'mmaction')
    name_classes(cfg)
    return cfg


def build_network(
    cfg: Config,
    checkpoint: str | None = None,
    seed: int = 0,
    device: str = 'cpu',
    render: bool = False,
) -> nn.Module:
    """Build the network of a config, in evaluation mode.

    Args:
        cfg: Pretraining or fine-tuning config.
        checkpoint: File to load, which must contain every weight. None keeps
            the random initialisation.
        seed: Seed of the random initialisation.
        device: Device of the network.
        render: Whether a preprocessor that renders clips itself keeps doing
            so, for samples of the config's own pipelines; otherwise the
            network takes clips, whoever has made them.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If its weights do not fit the network.
    """
    model_cfg = cfg.model.copy()
    if model_cfg.backbone.get('pretrained'):
        # The file that fine-tuning started from is not needed here.
        model_cfg.backbone = dict(model_cfg.backbone, pretrained=None)
    if (
        checkpoint is not None
        and '://' not in checkpoint
        and not osp.isfile(checkpoint)
    ):
        raise FileNotFoundError(f'CHECKPOINT: there is no file {checkpoint!r}')
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')  # otherwise several lines per weight
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = MODELS.build(model_cfg)
            model.init_weights()
        if checkpoint is not None:
            load_checkpoint(
                model,
                checkpoint,
                map_location='cpu',
                strict=True,
                logger='silent',
            )
    except RuntimeError as error:
        raise ValueError(
            f'{checkpoint}: not a checkpoint of the network of '
            f'{cfg.filename}; use the config it was trained with. '
            f'{error}'
        ) from error
    finally:
        logger.setLevel(level)
    preprocessor = model.data_preprocessor
    if isinstance(preprocessor, MoSIDataPreprocessor):
        preprocessor.dtype = torch.float32  # as the weights, see below
        preprocessor.render = preprocessor.render and render
    return model.to(device).float().eval()


def load_network(
    checkpoint: str, config: str | None = None, device: str = 'cpu'
) -> tuple[nn.Module, Config | None]:
    """Build the network of a checkpoint and load its weights.

    Args:
        checkpoint: File, or the name of a zoo entry.
        config: Config of its run; None takes the one that the run wrote
            into the checkpoint, whose text is read and never executed.
        device: Where to put it.

    Returns:
        The recognizer, or the backbone if the file has no head, in
        evaluation mode; and its config, if there is one.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If there is no such checkpoint, it does not say which
            network it belongs to, or its weights do not fit that network.
    """
    path = find_checkpoint(checkpoint)
    if config is not None:
        cfg = read_config(config)
        return build_network(cfg, path, device=device), cfg
    file = read_checkpoint(path)
    cfg = None
    if isinstance((file.get('meta') or {}).get('cfg'), str):
        cfg = config_of(file, path)
        name_classes(cfg)
    weights = file.get('state_dict', {})
    if cfg is None or not any(k.startswith('cls_head.') for k in weights):
        return load_backbone(path).to(device), cfg
    init_default_scope('mmaction')
    cfg.model = plain_network(cfg.model.to_dict(), path)
    return build_network(cfg, path, device=device), cfg


def clip_settings(cfg: Config) -> tuple[int, int, int]:
    """Return (clip_len, frame_interval, crop side) that training uses.

    Pretraining has no frame interval; 2 is used instead.

    Raises:
        ValueError: If the training pipeline does not define them.
    """
    steps = {s['type']: s for s in training_pipeline(cfg)}
    if 'DrawPseudoMotion' in steps:
        step = steps['DrawPseudoMotion']
        return step.get('clip_len', 16), 2, step.get('crop_size', 112)
    sampling = [k for k in steps if k in SAMPLING]
    if sampling:
        step = steps[sampling[0]]
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
        'clip is unknown'
    )


def normalization(
    model: nn.Module, cfg: Config | None = None
) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of R, G, B, in grey levels.

    Args:
        model: A recognizer, or a bare backbone.
        cfg: Config of the recognizer whose backbone it is; without it, a bare
            backbone has the paper's.

    Raises:
        ValueError: If the network wants BGR.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if preprocessor is None:
        settings = (cfg or {}).get('model', {}).get('data_preprocessor')
        if not settings:
            return [114.75] * 3, [57.375] * 3
        preprocessor = MODELS.build(plain_network(settings, 'the config'))
    if getattr(preprocessor, 'mean', None) is None:
        return [0.0] * 3, [1.0] * 3  # it leaves grey levels as they are
    if getattr(preprocessor, 'to_rgb', False):
        raise ValueError(
            'the data_preprocessor of the config turns channels round '
            '(to_rgb=True); only networks of RGB clips can be used'
        )
    mean, std = (
        getattr(preprocessor, key).flatten().tolist()
        for key in ('mean', 'std')
    )
    return mean, std


def class_names(cfg: Config) -> list[str] | None:
    """Return the names of the classes of a fine-tuning config, or None.

    They are the lines of ``classes.txt`` beside its list for the test, or for
    training.
    """
    for key in ('test_dataloader', 'train_dataloader'):
        dataset = (cfg.get(key) or {}).get('dataset') or {}
        ann_file = dataset.get('ann_file')
        if ann_file:
            root = dataset.get('data_root') or ''  # as datasets join them
            names = names_beside(osp.join(root, ann_file))
            if names is not None:
                return names
    return None


def training_pipeline(cfg: Config) -> list:
    """Return the training pipeline of a config, also from inside wrappers.

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


def pack(clip: np.ndarray) -> dict:
    """Make a batch of one clip.

    Args:
        clip: (N, H, W, 3) uint8 RGB clip.
    """
    inputs = torch.from_numpy(np.ascontiguousarray(clip))
    return dict(
        inputs=[inputs.permute(3, 0, 1, 2)[None]],
        data_samples=[ActionDataSample()],
    )


def features(model: BaseRecognizer, clip: np.ndarray) -> np.ndarray:
    """Return the backbone's output for a clip, averaged: (D,) float32.

    Args:
        model: Recognizer in evaluation mode.
        clip: (N, H, W, 3) uint8 RGB clip.
    """
    with torch.no_grad():
        inputs = model.data_preprocessor(pack(clip))['inputs']
        feats, _ = model.extract_feat(inputs, stage='backbone')
        return torch.cat(list(pool_features(feats)), 1)[0].cpu().numpy()
