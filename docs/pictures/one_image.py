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

#: The clips in the order of their grid, with the colours of their windows:
#: those of Okabe and Ito, told apart by everyone, and white.
COLORS = {
    'left-2': (213, 94, 0),
    'left-1': (230, 159, 0),
    'right-1': (86, 180, 233),
    'right-2': (0, 114, 178),
    'static': (255, 255, 255),
    'up-1': (240, 228, 66),
    'up-2': (0, 158, 115),
    'down-1': (204, 121, 167),
    'down-2': (60, 60, 60),
}
SIDE, GAP = 112, 6  # of the clips in the picture, in pixels
#: Of the draw: that of 0 to 999 whose windows lie furthest apart, as
#: :func:`apart` says, so that their numbers do not cover each other.
SEED = 767


def apart(seed: int) -> float:
    """Return how far the corners of the windows stay from each other."""
    plan = draw_plan(seed)[1]
    offsets = plan.offsets.astype(float)  # (labels, frames, 2)
    between = np.abs(offsets[:, None] - offsets[None]).max(-1)
    others = ~np.eye(len(offsets), dtype=bool)
    return float(between[others].min())


def draw_plan(seed: int):
    """Draw the masked plan of a seed; return the generator and the plan."""
    rng = np.random.default_rng(seed)
    plan = draw_motion(LabelPool(), 320, 112, 16, rng)
    return rng, draw_static_mask(plan, (0.4, 0.5), rng=rng)


def main() -> None:
    """Make the animation."""
    image = draw_dead_leaves(320, np.random.default_rng(1))
    plan = draw_plan(SEED)[1]
    clips = render(image, plan)
    height = 3 * (SIDE + draw.STRIP) + 2 * GAP - draw.STRIP
    small = draw.pale(draw.enlarge(image, height))
    scale = small.shape[0] / image.shape[0]
    frames = []
    for n in range(plan.clip_len):
        source, tiles = small, []
        corners = []
        for number, (name, color) in enumerate(COLORS.items(), 1):
            c = plan.pool.names.index(name)
            window = np.append(
                plan.offsets[c, n], plan.offsets[c, n] + plan.crop_size
            )
            window = np.rint(window * scale).astype(int)
            source = draw.outline(source, window, color, 4, edge=(0, 0, 0))
            corners.append((str(number), tuple(window[:2]), color))
            tile = draw.enlarge(clips[c, n], SIDE)
            tile = draw.outline(
                tile, (1, 1, SIDE - 1, SIDE - 1), color, 4, edge=(0, 0, 0)
            )
            tile = draw.tag(tile, str(number), (0, 0), color)
            tiles.append(draw.caption(tile, name))
        # On top of all windows.
        for tag in corners:
            source = draw.tag(source, *tag)
        source = draw.caption(source, 'one image (here pale), nine windows')
        rows = draw.grid(tiles, 3, GAP)[GAP:-GAP]
        frames.append(draw.grid([source, rows], 2, 0))
    print(draw.write_gif(HERE / 'one_image.gif', frames, 8))


if __name__ == '__main__':
    main()
