"""Remake the moving pictures of docs/layers.md: `make pictures`.

    python docs/pictures/layers.py

One clip an animation, of rendered images alone.
"""

from pathlib import Path

import numpy as np

from mosi_mmaction import (
    LabelPool,
    draw_motion,
    draw_moving_background,
    draw_static_mask,
    render,
)
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves
from mosi_mmaction.visualization import draw

HERE = Path(__file__).resolve().parent

#: Title, label, and arguments of the pool, the path, the mask and the
#: background; None freezes it.
CLIPS = [
    ('the paper: right-2', 'right-2', {}, {}, {}, None),
    ('zoom-in-2', 'zoom-in-2', dict(motions=('zoom',)), {}, {}, None),
    ('turn-right-2', 'turn-right-2', dict(motions=('turn',)), {}, {}, None),
    ('swing-x-2', 'swing-x-2', dict(motions=('swing',)), {}, {}, None),
    ('ease, shake', 'right-2', {}, dict(ease=1.0, shake=0.03), {}, None),
    ('ellipse', 'right-1', {}, {}, dict(shape='ellipse'), None),
    ('polygon', 'right-1', {}, {}, dict(shape='polygon'), None),
    ('blob, soft', 'right-1', {}, {}, dict(shape='blob', soft=0.4), None),
    (
        'travels',
        'right-2',
        {},
        {},
        dict(shape='blob', soft=0.1, travels=True),
        dict(max_shift=0.0, texture='other'),
    ),
    ('distractors', 'right-1', {}, {}, dict(num_distractors=2), None),
    ('background slides', 'right-1', {}, {}, {}, dict(max_shift=0.5)),
    (
        'background zooms',
        'static',
        {},
        {},
        dict(shape='ellipse'),
        dict(max_shift=0.0, max_zoom=1.8),
    ),
    (
        'relative: static',
        'static',
        {},
        {},
        dict(shape='ellipse'),
        dict(max_shift=0.8, label='relative'),
    ),
    (
        'another texture',
        'left-1',
        {},
        {},
        dict(shape='blob'),
        dict(max_shift=0.3, texture='other'),
    ),
    (
        'all of it',
        'turn-left-2',
        dict(motions=('shift', 'turn')),
        dict(ease=0.5, shake=0.02),
        dict(shape='mixed', soft=0.2, num_distractors=1, travels=True),
        dict(max_shift=0.5, texture='other'),
    ),
]


def frames_of(index: int) -> list[np.ndarray]:
    """Render one clip; return its frames with their title."""
    title, label, pool, path, mask, background = CLIPS[index]
    rng = np.random.default_rng(index)
    images = [draw_dead_leaves(320, rng) for _ in range(2)]
    plan = draw_motion(LabelPool(**pool), 320, 112, 16, rng, **path)
    plan = draw_static_mask(plan, (0.45, 0.5), rng=rng, **mask)
    if background is not None:
        plan = draw_moving_background(plan, rng=rng, **background)
    clip = render(images[0], plan, other=images[1])[
        plan.pool.names.index(label)
    ]
    return [draw.caption(draw.enlarge(frame, 144), title) for frame in clip]


def main() -> None:
    """Make the animation."""
    clips = [frames_of(i) for i in range(len(CLIPS))]
    frames = [draw.grid(list(some), 5) for some in zip(*clips)]
    print(draw.write_gif(HERE / 'layers.gif', frames, 8))


if __name__ == '__main__':
    main()
