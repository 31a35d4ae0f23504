"""The generator of the authors' release, from a local clone."""

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from .timing import report, take_turns


def load_official(folder: str) -> Any:
    """Import the generator of a local clone of the authors' release.

    Raises:
        FileNotFoundError: If the clone does not contain it.
        ImportError: If it cannot be imported, usually because there is no
            torchvision that fits this torch.
    """
    clone = Path(folder).resolve()
    found = sorted(clone.rglob('mosi_generator.py'))
    if not found:
        raise FileNotFoundError(
            f'--official: there is no mosi_generator.py below {clone}; '
            'clone alibaba-mmai-research/TAdaConv'
        )
    sys.path.insert(0, str(clone))
    name = '.'.join(found[0].relative_to(clone).with_suffix('').parts)
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        # A CUDA build of torchvision with a CPU torch is a RuntimeError.
        raise ImportError(
            f'--official: {found[0]} does not import: {error}. It needs a '
            f'torchvision built for torch {torch.__version__}: of the same '
            'release, and from the same index (CPU or CUDA)'
        ) from error


def bench_official(
    args: argparse.Namespace, image: np.ndarray, ours: Callable
) -> None:
    """Compare its time with ours.

    Args:
        args: Arguments of the command line.
        image: Source image, (320, 320, 3) uint8 RGB.
        ours: Function that draws and renders the clips of the image.
    """
    module = load_official(args.official)
    generator = module.MoSIGenerator(official_config(), 'train')
    video = torch.from_numpy(image)[None]
    # It works in place: data['video'] is replaced by the clips.
    times = take_turns(
        {
            'official': lambda: generator(dict(video=video.clone()), 0),
            'ours': ours,
        },
        args.repeats,
    )
    report(
        'render',
        "mask+jitter, authors' release",
        ms=times['official'] * 1e3,
        ours_ms=times['ours'] * 1e3,
        ratio=times['official'] / times['ours'],
        peer='render, one core',
        repeats=args.repeats,
    )


def official_config() -> SimpleNamespace:
    """Return the paper's settings in the format of the release."""
    return SimpleNamespace(
        DATA=SimpleNamespace(
            TRAIN_CROP_SIZE=112, MEAN=[0.45] * 3, STD=[0.225] * 3
        ),
        VIDEO=SimpleNamespace(HEAD=SimpleNamespace(NUM_CLASSES=5)),
        PRETRAIN=SimpleNamespace(
            DISTANCE_JITTER=[1, 1],
            LABEL_MODE='joint',
            NUM_FRAMES=16,
            STATIC_MASK=True,
            ASPECT_RATIO=[1, 1],
            MASK_SIZE_RATIO=[0.3, 0.5],
            DECOUPLE=True,
            DATA_MODE='xy',
            ZERO_OUT=False,
            FRAME_SIZE_STANDARDIZE_ENABLE=True,
            STANDARD_SIZE=320,
        ),
        AUGMENTATION=SimpleNamespace(
            COLOR_AUG=True,
            BRIGHTNESS=0.5,
            CONTRAST=0.5,
            SATURATION=0.5,
            HUE=0.25,
            GRAYSCALE=0.3,
            CONSISTENT=False,
            SHUFFLE=True,
            GRAY_FIRST=True,
        ),
    )
