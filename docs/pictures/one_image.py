"""Remake the picture of README.md and docs/index.md: `make pictures`.

    python docs/pictures/one_image.py

One source image with the window of every label, and beside it the clips
that the windows cut out.
"""

from pathlib import Path

import numpy as np

from mosi_mmaction import LabelPool, draw_motion, draw_static_mask, render
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves
from mosi_mmaction.visualization import draw

HERE = Path(__file__).resolve().parent

#: The clips in the order of their grid, with the colours of their windows.
COLORS = {
    'left-1': (250, 150, 50),
    'right-1': (0, 140, 230),
    'up-1': (50, 200, 70),
    'down-1': (240, 60, 220),
    'static': (0, 0, 0),
    'left-2': (225, 20, 60),
    'right-2': (0, 0, 170),
    'up-2': (0, 110, 0),
    'down-2': (140, 20, 170),
}
SIDE, GAP = 120, 6  # of the clips in the picture, in pixels


def main() -> None:
    """Make the animation."""
    rng = np.random.default_rng(1)
    image = draw_dead_leaves(320, rng)
    plan = draw_motion(LabelPool(), 320, 112, 16, rng)
    plan = draw_static_mask(plan, (0.4, 0.5), rng=rng)
    clips = render(image, plan)
    small = draw.enlarge(image, 2 * SIDE + draw.STRIP + GAP)
    scale = small.shape[0] / image.shape[0]
    frames = []
    for n in range(plan.clip_len):
        source, tiles = small, []
        for name, color in COLORS.items():
            c = plan.pool.names.index(name)
            window = np.append(
                plan.offsets[c, n], plan.offsets[c, n] + plan.crop_size
            )
            source = draw.outline(source, np.rint(window * scale), color, 2)
            tile = draw.enlarge(clips[c, n], SIDE)
            tile = draw.outline(tile, (0, 0, SIDE, SIDE), color, 2)
            tiles.append(draw.caption(tile, name))
        source = draw.caption(source, 'one image, nine windows')
        rows = draw.grid(tiles, 5, GAP)[GAP:-GAP]
        frames.append(draw.grid([source, rows], 2, 0))
    print(draw.write_gif(HERE / 'one_image.gif', frames, 8))


if __name__ == '__main__':
    main()
