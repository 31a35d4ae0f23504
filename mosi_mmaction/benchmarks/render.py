"""The case `render` of benchmark.py: drawing and rendering against a copy."""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch

from ..method.color import ColorJitter
from ..method.motion import (
    LabelPool,
    PseudoMotion,
    draw_color_jitter,
    draw_motion,
    draw_static_mask,
    render,
)
from ..method.render_torch import render_batch
from .official import bench_official, load_official
from .timing import report, take_turns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this case."""
    parser.add_argument(
        '--official',
        metavar='DIR',
        help="local clone of the authors' TAdaConv",
    )
    parser.add_argument('--repeats', type=int, default=30)
    parser.add_argument(
        '--batch',
        type=int,
        default=10,
        help='number of source images per batch on a GPU',
    )


def source_image() -> np.ndarray:
    """Return a source image at the size of the paper."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (320, 320, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def draw(
    rng: np.random.Generator,
    num_speeds: int = 5,
    clip_len: int = 16,
    mask: bool = True,
    jitter: bool = True,
) -> PseudoMotion:
    """Draw a plan at the size of the paper."""
    plan = draw_motion(LabelPool(num_speeds), 320, 112, clip_len, rng)
    if mask:
        plan = draw_static_mask(plan, (0.3, 0.5), rng=rng)
    return draw_color_jitter(plan, ColorJitter(), rng) if jitter else plan


def bench(args: argparse.Namespace) -> None:
    """Compare drawing and rendering with one copy of the same bytes."""
    if args.official:
        load_official(args.official)  # before minutes of other cases
    rng, image = np.random.default_rng(1), source_image()

    def made(options: dict[str, Any]) -> np.ndarray:
        return render(image, draw(rng, **options))

    variants: dict[str, dict[str, Any]] = {
        'plain': dict(mask=False, jitter=False),
        'mask': dict(jitter=False),
        'jitter': dict(mask=False),
        'mask+jitter': dict(),
    }
    for speeds in (3, 5, 7, 9):
        variants[f'mask+jitter, {speeds} speeds'] = dict(num_speeds=speeds)
    for frames in (8, 16, 32, 64):
        variants[f'mask+jitter, {frames} frames'] = dict(clip_len=frames)
    cases: dict[tuple[str, str], Callable] = {}
    for name, options in variants.items():
        clips = made(options)
        cases[name, 'copy'] = clips.copy
        cases[name, 'over'] = partial(np.copyto, clips.copy(), clips)
        cases[name, 'made'] = partial(made, options)
    times = take_turns(cases, args.repeats)
    for name, options in variants.items():
        plan = draw(rng, **options)
        copy, ours = times[name, 'copy'], times[name, 'made']
        report(
            'render',
            name,
            ms=ours * 1e3,
            copy_ms=copy * 1e3,
            ratio=ours / copy,
            peer='copy of the clips',
            ratio_without_allocation=ours / times[name, 'over'],
            us_per_frame=ours * 1e6 / plan.offsets[..., 0].size,
            clips=len(plan.pool),
            frames=plan.clip_len,
            repeats=args.repeats,
        )
    bench_render_batch(args, image, rng)
    if args.official:
        bench_official(args, image, lambda: render(image, draw(rng)))


def bench_render_batch(
    args: argparse.Namespace, image: np.ndarray, rng: np.random.Generator
) -> None:
    """Time the device's renderer on a batch that is already on the device."""
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    batch = args.batch if device.type == 'cuda' else 1
    images = torch.from_numpy(np.stack([image] * batch)).to(device)

    def on_device() -> None:
        plans = [draw(rng) for _ in range(batch)]
        render_batch(images.movedim(-1, 1), plans)
        if device.type == 'cuda':
            torch.cuda.synchronize()

    def in_worker() -> None:
        for _ in range(batch):
            render(image, draw(rng))

    times = take_turns(
        dict(device=on_device, worker=in_worker),
        args.repeats,
        time.perf_counter,
    )
    report(
        'render',
        f'mask+jitter, render_batch on {device.type}',
        ms=times['device'] * 1e3,
        worker_ms=times['worker'] * 1e3,
        ratio=times['device'] / times['worker'],
        peer='render, one core',
        images=batch,
        repeats=args.repeats,
    )
