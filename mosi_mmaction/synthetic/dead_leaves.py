"""Dead leaves: images of shapes that cover each other."""

import cv2
import numpy as np


def draw_dead_leaves(
    size: int, rng: np.random.Generator, max_leaves: int = 4000
) -> np.ndarray:
    """Draw an image of occluding discs and boxes with power-law sizes.

    The dead leaves model shares with photographs occlusions, edges at all
    scales and the statistics of gradients. Radii follow p(r) ~ r^-3 between
    2 % and 25 % of the side; discs and rotated boxes are equally likely. A
    faint grain makes motion visible in every part.

    Args:
        size: Side of the image in pixels.
        rng: The only source of randomness.
        max_leaves: Upper bound of the number of leaves. Small images get
            fewer, enough to cover the image three times.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    smallest, largest = max(1.5, 0.02 * size), 0.25 * size
    # E[r^2] of p(r) ~ r^-3 on [a, b] is 2 a^2 b^2 ln(b/a) / (b^2 - a^2).
    a2, b2 = smallest**2, largest**2
    mean_square = 2 * a2 * b2 * np.log(largest / smallest) / (b2 - a2)
    count = int(min(max_leaves, 3 * size**2 / (np.pi * mean_square)))
    # Inverse of the cumulative distribution of p(r) ~ r^-3.
    u = rng.random(count)
    radius = 1 / np.sqrt(1 / a2 - u * (1 / a2 - 1 / b2))
    centre = rng.uniform(-0.1 * size, 1.1 * size, (count, 2))
    color = rng.integers(0, 256, (count, 3)).tolist()
    is_disc = rng.random(count) < 0.5
    stretch = rng.uniform(0.4, 1, count)
    angle = rng.uniform(0, 180, count)

    image = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
    shift = 4  # OpenCV's fixed point: 4 fractional bits
    for i in range(count):
        x, y = centre[i]
        if is_disc[i]:
            at = (round(x * 2**shift), round(y * 2**shift))
            cv2.circle(
                image,
                at,
                round(radius[i] * 2**shift),
                color[i],
                -1,
                cv2.LINE_AA,
                shift,
            )
        else:
            sides = (2 * radius[i], 2 * radius[i] * stretch[i])
            corners = cv2.boxPoints(((x, y), sides, angle[i]))
            cv2.fillConvexPoly(
                image,
                np.rint(corners * 2**shift).astype(np.int32),
                color[i],
                cv2.LINE_AA,
                shift,
            )
    grain = cv2.GaussianBlur(rng.normal(0, 20, (size, size, 1)), (0, 0), 1)[
        ..., None
    ]
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)
