"""Classify videos and compute their features, from a checkpoint alone."""

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmaction.models import BaseRecognizer
from mmaction.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log
from torch import nn
from tqdm import tqdm

from ..checkpoints.config import plain_network
from ..checkpoints.files import read_checkpoint
from ..checkpoints.weights import backbone_weights
from ..checkpoints.zoo import find_checkpoint
from ..media.errors import BadSourceError
from ..models.heads.pooled_feature_head import PooledFeatureHead
from .networks import (
    build_network,
    class_names,
    clip_settings,
    load_network,
    read_config,
)
from .videos import find_videos, read_names

Source = str | os.PathLike

#: Clips of a video whose answers are averaged, where no config says it.
NUM_CLIPS = 10


@dataclass(frozen=True)
class Prediction:
    """What a network says of a video.

    Attributes:
        video: Path of the video.
        scores: Probability of every class, averaged over the clips, (C,).
        classes: Their names; their numbers where no names are known.
    """

    video: str
    scores: np.ndarray
    classes: tuple[str, ...]

    @property
    def label(self) -> str:
        """The class with the highest score."""
        return self.classes[int(self.scores.argmax())]

    @property
    def score(self) -> float:
        """The highest score."""
        return float(self.scores.max())

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the best classes and their scores, best first."""
        order = np.argsort(-self.scores, kind='stable')[:count]
        return [(self.classes[i], float(self.scores[i])) for i in order]


def classify(
    checkpoint: Source,
    videos: Source | Iterable[Source],
    *,
    config: Source | None = None,
    classes: Source | Iterable[str] | None = None,
    data_root: Source = '',
    bad_files: str = 'raise',
    batch_size: int = 4,
    device: str = 'cpu',
    progress: bool = True,
) -> list[Prediction]:
    """Classify videos with a fine-tuned network.

    They are read as the config tests: by its clips, crops and sizes, whose
    scores are averaged; their probabilities if the config averages nothing.

    Args:
        checkpoint: File of a fine-tuning run.
        videos: Video files, directories, or list files, one or several.
        config: Config of the run; None takes the one in the checkpoint.
        classes: Names of the classes, or a file with one a line; None looks
            for ``classes.txt`` beside the config's lists. Without names,
            labels are numbers, and a warning says so.
        data_root: Directory that the lines of list files are relative to.
        bad_files: ``'raise'`` stops at a video that cannot be read;
            ``'skip'`` leaves it out, with a warning.
        batch_size: Videos a batch.
        device: Where to compute, such as ``'cuda'``.
        progress: Whether to show a bar.

    Returns:
        A prediction for each video, in their order.

    Raises:
        FileNotFoundError: If a video does not exist.
        ValueError: If the checkpoint was not fine-tuned, there are not as
            many names as classes, or ``bad_files`` is neither of the two.
        BadSourceError: If a video cannot be read and is not to be skipped.
    """
    if bad_files not in ('raise', 'skip'):
        raise ValueError(
            f"bad_files={bad_files!r}: allowed are 'raise' and 'skip'"
        )
    model, cfg = load_network(
        os.fspath(checkpoint),
        None if config is None else os.fspath(config),
        device,
    )
    if cfg is None or hasattr(getattr(model, 'cls_head', None), 'pool'):
        raise ValueError(
            f'{checkpoint} is pretrained and names no actions: fine-tune it, '
            'or take its features()'
        )
    paths = _paths(videos, data_root)
    names = _names(classes, cfg, model.cls_head.num_classes)
    head = model.cls_head
    head.average_clips = head.average_clips or 'prob'
    skip = bad_files == 'skip'
    answers = _run(model, _pipeline(cfg), paths, batch_size, progress, skip)
    found = []
    for path, sample in answers:
        scores = sample.pred_score
        if head.average_clips == 'score':
            scores = scores.softmax(0)
        found.append(Prediction(path, scores.cpu().numpy(), names))
    return found


def features(
    checkpoint: Source,
    videos: Source | Iterable[Source],
    *,
    config: Source | None = None,
    data_root: Source = '',
    batch_size: int = 4,
    device: str = 'cpu',
    progress: bool = True,
) -> np.ndarray:
    """Compute the features of videos with any checkpoint.

    The backbone's output, averaged over time, space and the clips of a
    video. They are read as the config tests. A pretraining config tests no
    videos: then ten clips are read, every second frame, the centre square
    at the size of the pretraining clips.

    Args:
        checkpoint: File, pretrained or fine-tuned, or the name of a zoo
            entry.
        videos: Video files, directories, or list files, one or several.
        config: Config that says how to read videos, and whose backbone gets
            the weights; None takes the one in the checkpoint.
        data_root: Directory that the lines of list files are relative to.
        batch_size: Videos a batch.
        device: Where to compute.
        progress: Whether to show a bar.

    Returns:
        (V, D) float32, in the order of the videos.

    Raises:
        FileNotFoundError: If a video does not exist.
        ValueError: If the weights are not those of the config's backbone.
        BadSourceError: If a video cannot be read.
    """
    checkpoint = os.fspath(checkpoint)
    if config is None:
        model, cfg = load_network(checkpoint, device=device)
        if cfg is None or not isinstance(model, BaseRecognizer):
            raise ValueError(
                f'{checkpoint}: a backbone alone does not say how to read '
                'videos; give the config of a fine-tuning run'
            )
    else:
        cfg = read_config(os.fspath(config))
        model = build_network(cfg)
        path = find_checkpoint(checkpoint)
        try:
            model.backbone.load_state_dict(
                backbone_weights(read_checkpoint(path))
            )
        except RuntimeError as error:
            raise ValueError(
                f'{path}: not weights of the backbone of {config}. {error}'
            ) from error
        model.to(device)
    model.cls_head = PooledFeatureHead()
    paths = _paths(videos, data_root)
    answers = _run(model, _pipeline(cfg), paths, batch_size, progress)
    return np.stack([sample.feature.cpu().numpy() for _, sample in answers])


def _paths(videos: Source | Iterable[Source], data_root: Source) -> list[str]:
    if isinstance(videos, (str, os.PathLike)):
        videos = [videos]
    given = [os.fspath(video) for video in videos]
    found = find_videos(given, os.fspath(data_root))
    return [video.path for video in found]


def _names(
    classes: Source | Iterable[str] | None, cfg: Config, count: int
) -> tuple[str, ...]:
    """Return the names of the classes, or their numbers."""
    where = 'classes'
    if classes is None:
        classes = class_names(cfg)
        if classes is None:
            print_log(
                'no names of the classes are known, so labels are numbers; '
                'classes takes names, or a file with one a line, such as the '
                'classes.txt that data/split_videos writes',
                'current',
                logging.WARNING,
            )
            return tuple(map(str, range(count)))
        where = 'classes.txt beside the list of the config'
    elif isinstance(classes, (str, os.PathLike)):
        where = os.fspath(classes)
        classes = read_names(where)
    names = tuple(classes)
    if len(names) != count:
        raise ValueError(
            f'{where}: {len(names)} names for a network of {count} classes'
        )
    return names


def _pipeline(cfg: Config) -> Compose:
    """Build what reads a video: the config's test, or ten plain clips."""
    dataset: Any = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    steps = dataset.get('pipeline') or []
    kinds = {step['type'] for step in steps}
    if 'RawFrameDecode' in kinds:
        raise ValueError(
            f'{cfg.filename}: its test reads extracted frames, not videos; '
            'give a config whose test_dataloader reads videos'
        )
    if 'PackActionInputs' not in kinds:  # that of a pretext task
        clip_len, interval, side = clip_settings(cfg)
        steps = [
            dict(type='VideoInit'),
            dict(
                type='SampleFrames',
                clip_len=clip_len,
                frame_interval=interval,
                num_clips=NUM_CLIPS,
                test_mode=True,
            ),
            dict(type='VideoDecode'),
            dict(type='Resize', scale=(-1, side)),
            dict(type='CenterCrop', crop_size=side),
            dict(type='FormatShape', input_format='NCTHW'),
            dict(type='PackActionInputs'),
        ]
    # The config may come out of a file of a stranger's.
    steps = [plain_network(dict(s), 'test_dataloader') for s in steps]
    return Compose([TRANSFORMS.build(s) for s in steps])


def _run(
    model: nn.Module,
    pipeline: Compose,
    paths: list[str],
    batch_size: int,
    progress: bool,
    skip: bool = False,
) -> list[tuple[str, Any]]:
    """Return path and data sample of each video that can be read."""
    if batch_size < 1:
        raise ValueError(f'batch_size={batch_size}: must be at least 1')
    found: list[tuple[str, Any]] = []
    bar = tqdm(total=len(paths), unit='video', disable=not progress)
    with bar, torch.no_grad():
        for start in range(0, len(paths), batch_size):
            batch: list[tuple[str, dict]] = []
            for path in paths[start : start + batch_size]:
                bar.update()
                try:
                    sample = pipeline(
                        dict(
                            filename=path,
                            label=-1,
                            start_index=0,
                            modality='RGB',
                        )
                    )
                    batch.append((path, sample))
                except BadSourceError as error:
                    if not skip:
                        raise
                    print_log(
                        f'skipped a bad file: {error}',
                        'current',
                        logging.WARNING,
                    )
            if batch:
                read, samples = zip(*batch)
                found += zip(read, model.test_step(pseudo_collate(samples)))
    return found
