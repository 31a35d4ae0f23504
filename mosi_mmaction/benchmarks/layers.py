"""The case `layers` of benchmark.py: clips of layers against plain copies.

A plain copy copies the bytes of the rendered clips. *Warm* is the second of
two immediate runs, of the copy and of ours, into memory that is kept; as far
as they fit, both are in the processor's cache, the hardest comparison. *Fresh*
is into pages that are accessed for the first time, as every ``.copy()`` gets
them in a process whose allocator returns large blocks.
"""

import argparse
import mmap
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np

from ..method.color import ColorJitter
from ..method.draw_layers import draw_moving_background
from ..method.labels import MOTIONS, LabelPool
from ..method.layers import layers_of
from ..method.motion import (
    draw_color_jitter,
    draw_motion,
    draw_static_mask,
    render,
)
from ..method.plan import PseudoMotion
from .render import source_image
from .timing import medians, report

_ALL = dict(
    motions=MOTIONS,
    ease=0.5,
    shake=0.02,
    shape='mixed',
    soft=0.2,
    travels=True,
    num_distractors=2,
    background=dict(max_zoom=1.2, texture='other'),
)
#: Drawing options of each case.
CASES: dict[str, dict[str, Any]] = {
    'the paper': {},
    'the paper, jitter': dict(jitter=True),
    'box over a moving background': dict(background={}),
    'mixed hard mattes over a moving background': dict(
        shape='mixed', background={}
    ),
    'the same, jitter': dict(shape='mixed', background={}, jitter=True),
    'mixed soft mattes over a moving background': dict(
        shape='mixed', soft=0.2, background={}
    ),
    'travelling hard mattes, two distractors': dict(
        shape='mixed', travels=True, num_distractors=2, background={}
    ),
    'unsigned, with turns, eased, mixed soft mattes, jitter': dict(
        motions=('shift', 'turn'),
        signed=False,
        ease=0.5,
        shape='mixed',
        soft=0.1,
        background={},
        jitter=True,
    ),
    'everything': _ALL,
    'everything, jitter': dict(_ALL, jitter=True),
}


def draw(
    rng: np.random.Generator,
    motions: tuple[str, ...] = ('shift',),
    signed: bool = True,
    ease: float = 0.0,
    shake: float = 0.0,
    background: dict | None = None,
    jitter: bool = False,
    **matte: Any,
) -> PseudoMotion:
    """Draw a masked plan at the size of the paper."""
    pool = LabelPool(motions=motions, signed=signed)
    plan = draw_motion(pool, 320, 112, 16, rng, ease, shake)
    plan = draw_static_mask(plan, (0.3, 0.5), rng=rng, **matte)
    if background is not None:
        plan = draw_moving_background(plan, rng=rng, **background)
    if jitter:
        plan = draw_color_jitter(plan, ColorJitter(), rng)
    return plan


def fresh(shape: tuple[int, ...]) -> np.ndarray:
    """Return memory whose pages have not been accessed."""
    size = int(np.prod(shape))
    return np.frombuffer(mmap.mmap(-1, size), np.uint8).reshape(shape)


def again(run: Callable, *args: Any) -> float:
    """Return the time of the second of two equal runs."""
    run(*args)
    return once(run, *args)


def once(run: Callable, *args: Any) -> float:
    """Return the CPU seconds of a run."""
    start = time.process_time()
    run(*args)
    return time.process_time() - start


def warps_alone(image: np.ndarray, plan: PseudoMotion) -> None:
    """Do only the warps that a plan needs, one per layer and frame.

    This is the lower bound of interpolation with OpenCV: of mattes only the
    warps, no compositing. If colours are drawn, the warped pixels have 16
    bits and are transformed, as one rounding of both needs them.
    """
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size, matrix = plan.crop_size, np.eye(3, 4, dtype=np.float32)
    if plan.color is not None:
        image = image.astype(np.uint16)
    for layer in layers_of(plan):
        for c in np.flatnonzero(~layer.whole).tolist():
            alpha = None if layer.alphas is None else layer.alphas[c]
            side = size if alpha is None else len(alpha)
            into = np.empty((side, side, 3), image.dtype)
            turned = None  # maps of a matte that is not merely shifted
            if layer.places is not None and layer.placed is not None:
                turned = None if layer.placed[c] else layer.places[c]
            for n in range(plan.clip_len):
                if layer.visible is not None and not layer.visible[c, n]:
                    continue
                cv2.warpAffine(
                    image, layer.maps[c, n], (side, side), into, flags
                )
                if plan.color is not None:
                    cv2.transform(into, matrix, into)
                if turned is not None:
                    cv2.warpAffine(alpha, turned[n], (side, side), None, flags)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this case."""
    parser.add_argument('--repeats', type=int, default=15)


def bench(args: argparse.Namespace) -> None:
    """Time drawing and rendering, all cases in turn."""
    image = source_image()
    other = image[::-1].copy()

    def made(options: dict, rng: np.random.Generator, out: Any) -> None:
        render(image, draw(rng, **options), out, other)

    cases = {}
    for name, options in CASES.items():
        rng = np.random.default_rng(1)
        plan = draw(rng, **options)
        clips = render(image, plan, other=other)
        kept = clips.copy()

        def into_fresh(run: Callable, shape: tuple = clips.shape) -> float:
            return once(run, fresh(shape))

        cases[name, 'kept'] = partial(again, np.copyto, kept, clips)
        cases[name, 'ours'] = partial(again, made, options, rng, kept)
        cases[name, 'draw'] = partial(again, partial(draw, rng, **options))
        cases[name, 'warps'] = partial(again, warps_alone, image, plan)
        cases[name, 'fresh'] = partial(
            into_fresh, lambda out, clips=clips: np.copyto(out, clips)
        )
        cases[name, 'ours, fresh'] = partial(
            into_fresh, partial(made, options, rng)
        )
    times = medians(cases, args.repeats)
    for name, options in CASES.items():
        plan = draw(np.random.default_rng(1), **options)
        one = {
            what: times[name, what]
            for what in (
                'kept',
                'ours',
                'draw',
                'warps',
                'fresh',
                'ours, fresh',
            )
        }
        report(
            'layers',
            name,
            ms=one['ours'] * 1e3,
            copy_ms=one['kept'] * 1e3,
            ratio=one['ours'] / one['kept'],
            peer='warm copy',
            fresh_ms=one['ours, fresh'] * 1e3,
            fresh_copy_ms=one['fresh'] * 1e3,
            fresh_ratio=one['ours, fresh'] / one['fresh'],
            draw_ms=one['draw'] * 1e3,
            warps_ms=one['warps'] * 1e3 if not _whole(plan) else 0.0,
            clips=len(plan.pool),
            frames=plan.clip_len,
            repeats=args.repeats,
        )


def _whole(plan: PseudoMotion) -> bool:
    return all(layer.whole.all() for layer in layers_of(plan))
