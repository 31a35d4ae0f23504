"""The case `pipeline` of benchmark.py: from a file to the trainer."""

import argparse
import itertools
import os
import os.path as osp
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial

import cv2
import numpy as np
from mmengine.config import Config
from PIL import Image

from ..config.lookup import config_path
from ..config.pretraining import render_on_device
from ..datasets.samplers.epoch_sampler import EpochIndex
from ..datasets.source_image import SourceImageDataset
from ..media.paths import IMAGE_EXTENSIONS, extension
from ..method.motion import render
from .arrival import Arrival
from .render import draw, source_image
from .timing import report, seconds, take_turns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this case."""
    parser.add_argument(
        '--images',
        metavar='DIR',
        required=True,
        help='directory of photographs',
    )
    parser.add_argument(
        '--limit',
        type=int,
        default=100,
        help='largest number of photographs to use',
    )
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument(
        '--batch',
        type=int,
        default=10,
        help='number of source images per batch',
    )


def bench(args: argparse.Namespace) -> None:
    """Compare the time from file to packed sample with bare decoding.

    Raises:
        FileNotFoundError: If the directory contains no image.
    """
    if not osp.isdir(args.images):
        raise FileNotFoundError(
            f'--images: there is no directory {args.images}'
        )
    names = sorted(
        n for n in os.listdir(args.images) if extension(n) in IMAGE_EXTENSIONS
    )[: args.limit]
    if not names:
        raise FileNotFoundError(f'--images: no image file in {args.images}')
    paths = [osp.join(args.images, n) for n in names]

    def bare(path: str) -> None:
        image = cv2.imread(path)
        side = min(image.shape[:2])
        method = cv2.INTER_AREA if side > 320 else cv2.INTER_LINEAR
        cv2.resize(image[:side, :side], (320, 320), interpolation=method)

    def pillow(path: str) -> None:
        image = Image.open(path).convert('RGB')
        side = min(image.size)
        np.asarray(
            image.resize(
                (320, 320), Image.Resampling.BILINEAR, (0, 0, side, side)
            )
        )

    def visit(get: Callable, keys: Iterable) -> None:
        for key in keys:  # one at a time: a worker sends its samples at once
            get(key)

    cases = {
        'bare': partial(visit, bare, paths),
        'pillow': partial(visit, pillow, paths),
    }
    for name, change in (('worker', None), ('device', render_on_device)):
        dataset = packed_dataset(args.images, names, change)
        indices = [EpochIndex(i, 0, 0) for i in range(len(names))]
        cases[name] = partial(visit, dataset.__getitem__, indices)
    times = take_turns(cases, args.repeats)
    for name, title in (
        ('bare', 'decode and resize'),
        ('pillow', 'decode and resize, Pillow'),
        ('worker', 'packed sample, rendered in the worker'),
        ('device', 'packed sample, rendered on the device'),
    ):
        report(
            'pipeline',
            title,
            images_per_second=len(paths) / times[name],
            ms=times[name] / len(paths) * 1e3,
            ratio=times['bare'] / times[name],
            peer='decode and resize',
            ratio_pillow=times['pillow'] / times[name],
            images=len(paths),
            repeats=args.repeats,
        )
    bench_arrival(args, names, cases['bare'])


def bench_arrival(
    args: argparse.Namespace, names: list[str], bare: Callable
) -> None:
    """Time the output of a data loader: worker, collate, transfer."""
    rng, image = np.random.default_rng(1), source_image()
    changes = dict(worker=None, device=render_on_device)
    loaders = {
        name: Arrival(
            packed_dataset(args.images, names, change),
            (EpochIndex(i % len(names), 0, 0) for i in itertools.count()),
            args.batch,
        )
        for name, change in changes.items()
    }
    batches = max(1, len(names) // args.batch)
    found: dict[str, list] = {name: [] for name in (*loaders, 'bare', 'clips')}
    for _ in range(args.repeats):
        found['bare'].append(seconds(bare, time.process_time) / len(names))
        rendering = partial(render_some, image, rng)
        found['clips'].append(seconds(rendering, time.process_time) / 20)
        for name, loader in loaders.items():
            found[name].append(loader.measure(batches))
    floor = statistics.median(found['bare'])
    rendered = statistics.median(found['clips'])
    for name, loader in loaders.items():
        loader.close()
        worker, trainer = (
            statistics.median(times) for times in zip(*found[name])
        )
        report(
            'pipeline',
            f'in the trainer, rendered {where(name)}',
            images_per_second=1 / worker,
            ms=worker * 1e3,
            trainer_ms=trainer * 1e3,
            ratio=floor / worker,
            peer='decode and resize',
            bare_ms=floor * 1e3,
            render_ms=rendered * 1e3,
            times_rendering=worker / rendered,
            images=batches * args.batch,
            repeats=args.repeats,
        )


def where(name: str) -> str:
    """Return where a case renders, in words."""
    return 'in the worker' if name == 'worker' else 'on the device'


def render_some(image: np.ndarray, rng: np.random.Generator) -> None:
    """Draw and render 20 images."""
    for _ in range(20):
        render(image, draw(rng))


def packed_dataset(
    folder: str, names: list[str], change: Callable | None
) -> SourceImageDataset:
    """Return the dataset of the photograph config, with some files."""
    cfg = Config.fromfile(config_path('mosi_r2p1d_imagenet'))
    if change is not None:
        change(cfg)
    with tempfile.NamedTemporaryFile('w', suffix='.txt') as file:
        file.write('\n'.join(names))
        file.flush()
        return SourceImageDataset(
            folder,
            ann_file=file.name,
            bad_files='raise',
            pipeline=cfg.train_dataloader.dataset.pipeline,
        )
