"""Small computer-drawn, labelled action videos for the demo.

A textured sprite moves over a textured, still background; the label is the
kind of motion. Both are painted with the leaves of :func:`draw_dead_leaves`,
from other seeds than any pretraining image. Looks do not help: every class of
a split uses the same (background, sprite) pairs, no texture of one split
occurs in another, and position, size, speed, phase, direction and contrast
vary. No class is uniform straight motion or rest, the labels of the MoSI
pretext task, and every class keeps its label in a mirrored video.

As everywhere in this package, everything random is *drawn* first, and
rendering is deterministic:

    plan = draw_action('circle', size=(64, 64), num_frames=40, rng=rng)
    clip = render_action(plan, draw_look(rng))     # (40, 64, 64, 3) uint8

Coordinates are (x, y) in pixels, x to the right and y down, the centre of
the upper left pixel being (0, 0). Angles are in degrees, clockwise on the
screen.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .dead_leaves import draw_dead_leaves

# --- Motions. Each function takes the time t (N,) in [0, 1] and a generator
# and returns a path (N, 2) that is about 1 wide or high, up to a shift.


def _phase(
    t: np.ndarray, low: float, high: float, rng: np.random.Generator
) -> np.ndarray:
    """Return elapsed cycles, (N,): `low` to `high` of them in the clip."""
    return rng.uniform(low, high) * t + rng.random()


def _sine(cycles: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * cycles)


def _orbit(cycles: np.ndarray) -> np.ndarray:
    return np.stack([_sine(cycles + 0.25), _sine(cycles)], axis=1) / 2


def _sign(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def _oscillate(t, rng):
    """Sideways, back and forth."""
    x = _sine(_phase(t, 1.5, 2.5, rng)) / 2
    return np.stack([x, 0 * t], axis=1)


def _bounce(t, rng):
    """Up and down on a floor, in parabolas."""
    hop = _phase(t, 2, 3, rng) % 1
    return np.stack([0 * t, -4 * hop * (1 - hop)], axis=1)


def _circle(t, rng):
    """Around a point, at a fixed distance."""
    return _orbit(_sign(rng) * _phase(t, 1, 1.6, rng))


def _spiral(t, rng):
    """Around a point, farther and farther away, or nearer and nearer."""
    growth = 0.2 + 0.8 * (t if rng.random() < 0.5 else 1 - t)
    return growth[:, None] * _orbit(_sign(rng) * _phase(t, 1.5, 2, rng))


def _drift_stop(t, rng):
    """Straight on in any direction, then at rest."""
    turn = rng.random()
    direction = 2 * _orbit(np.array([turn]))
    return direction * np.minimum(t / rng.uniform(0.35, 0.6), 1)[:, None]


def _shake(t, rng):
    """Trembling: another small offset in every frame."""
    return rng.uniform(-0.1, 0.1, (len(t), 2))


def _zigzag(t, rng):
    """Onwards to one side, up and down in straight lines."""
    y = abs(_phase(t, 2, 3, rng) % 1 - 0.5) * 2
    return np.stack([_sign(rng) * t, rng.uniform(0.5, 0.8) * y], axis=1)


#: Paths of constant size and orientation.
_PATHS = {
    'oscillate': _oscillate,
    'bounce': _bounce,
    'circle': _circle,
    'spiral': _spiral,
    'drift_stop': _drift_stop,
    'shake': _shake,
    'zigzag': _zigzag,
}

#: Names of the classes; a class's label is its index here.
ACTIONS: tuple[str, ...] = (*_PATHS, 'pendulum', 'rotate', 'zoom', 'approach')


@dataclass(frozen=True, eq=False)
class ActionPlan:
    """The drawn motion of one video of N frames.

    Attributes:
        action: Name of the class, one of :data:`ACTIONS`.
        size: (H, W) of the frames in pixels.
        centre: (x, y) of the sprite's centre, (N, 2) float64, in pixels.
        scale: Largest radius of the sprite, (N,) float64, in pixels.
        angle: Its orientation, (N,) float64, in degrees.
    """

    action: str
    size: tuple[int, int]
    centre: np.ndarray
    scale: np.ndarray
    angle: np.ndarray

    @property
    def label(self) -> int:
        """Index of the class in :data:`ACTIONS`."""
        return ACTIONS.index(self.action)


@dataclass(frozen=True)
class Look:
    """The looks of a video, independent of its motion.

    Attributes:
        background_seed: Seed of the background's texture.
        sprite_seed: Seed of the sprite's texture.
        background_gray: Mean grey level of the background, 0..255.
        sprite_gray: Mean grey level of the sprite, 0..255.
        background_contrast: Strength of the background's texture, 0..1.
        sprite_contrast: Strength of the sprite's texture, 0..1.
        lobes: Number of bulges in the sprite's outline, at least 2.
        depth: Depth of the bulges as a ratio of the mean radius, 0..1.
    """

    background_seed: int
    sprite_seed: int
    background_gray: float
    sprite_gray: float
    background_contrast: float
    sprite_contrast: float
    lobes: int
    depth: float


def draw_action(
    action: str,
    size: tuple[int, int],
    num_frames: int,
    rng: np.random.Generator,
) -> ActionPlan:
    """Draw position, size, speed, phase and direction of one motion.

    The sprite is always inside the frame.

    Args:
        action: Name of the class, one of :data:`ACTIONS`.
        size: (H, W) of the frames in pixels, each at least 32.
        num_frames: Number of frames N, at least 16; the number of swings or
            turns in a clip does not depend on it.
        rng: The only source of randomness.

    Raises:
        ValueError: If the class is unknown or the clip too small or short.
    """
    if action not in ACTIONS:
        raise ValueError(
            f'action={action!r} is unknown; there are {", ".join(ACTIONS)}'
        )
    height, width = check_frames(size, num_frames)
    t = np.arange(num_frames) / (num_frames - 1)
    side = min(size) - 1
    path = np.zeros((num_frames, 2))
    scale: np.ndarray = np.full(num_frames, rng.uniform(0.13, 0.24))
    angle: np.ndarray = np.full(num_frames, rng.uniform(0, 360))
    # The longest path is the frame minus the sprite's diameter.
    extent = rng.uniform(0.8, 1) * (1 - 2 * scale[0])
    if action in _PATHS:
        path = extent * _PATHS[action](t, rng)
    elif action == 'pendulum':
        # It hangs from a pivot above and always points to it.
        swing = rng.uniform(40, 65)
        tilt = swing * _sine(_phase(t, 1.5, 2.5, rng))
        rod = extent / 2 / np.sin(np.radians(swing))
        path = rod * np.stack(
            [np.sin(np.radians(tilt)), np.cos(np.radians(tilt))], axis=1
        )
        angle = angle - tilt
    elif action == 'rotate':
        angle = angle + 360 * _sign(rng) * _phase(t, 0.75, 1.5, rng)
    elif action == 'zoom':
        swell = rng.uniform(1.4, 1.7)
        scale = scale * swell ** _sine(_phase(t, 1.5, 2.5, rng))
    elif action == 'approach':
        swell = rng.uniform(2, 2.6)
        scale = scale * swell ** (t - 0.5)
    path, scale = path * side, scale * side
    reach = scale[:, None]
    low = (reach - path).max(axis=0)
    high = np.array([width - 1, height - 1]) - (reach + path).max(axis=0)
    plan = ActionPlan(
        action, (height, width), path + rng.uniform(low, high), scale, angle
    )
    for array in (plan.centre, plan.scale, plan.angle):
        array.flags.writeable = False
    return plan


def check_frames(size: tuple[int, int], num_frames: int) -> tuple[int, int]:
    """Return (H, W) of the frames, checked.

    Raises:
        ValueError: If they are too small, or too few for the motions.
    """
    height, width = size
    if min(size) < 32 or num_frames < 16:
        raise ValueError(
            f'{num_frames} frames of {height}x{width} pixels: the motions '
            'need at least 16 frames of at least 32x32 pixels'
        )
    return int(height), int(width)


def draw_look(rng: np.random.Generator) -> Look:
    """Draw textures, contrast and outline, independently of any motion.

    Args:
        rng: The only source of randomness.
    """
    gray = rng.uniform(60, 195)
    shift = rng.uniform(50, 90) * (1 if gray < 127.5 else -1)
    background_seed, sprite_seed = rng.integers(2**63, size=2).tolist()
    return Look(
        background_seed=background_seed,
        sprite_seed=sprite_seed,
        background_gray=gray,
        sprite_gray=gray + shift,
        background_contrast=rng.uniform(0.25, 0.55),
        sprite_contrast=rng.uniform(0.3, 0.6),
        lobes=int(rng.integers(2, 7)),
        depth=rng.uniform(0.05, 0.35),
    )


def render_action(plan: ActionPlan, look: Look) -> np.ndarray:
    """Render a video. Pure: equal arguments, equal pixels.

    Args:
        plan: Motion of the sprite.
        look: Looks of sprite and background.

    Returns:
        (N, H, W, 3) uint8 RGB.
    """
    height, width = plan.size
    background = _texture(
        look.background_seed,
        max(plan.size),
        look.background_gray,
        look.background_contrast,
    )[:height, :width]
    # Rasterised at its largest size, so that it is never magnified.
    radius = int(np.ceil(plan.scale.max()))
    sprite = _sprite(look, radius)
    out = np.empty((len(plan.scale), height, width, 3), np.uint8)
    for n, (x, y) in enumerate(plan.centre):
        middle = (sprite.shape[0] - 1) / 2
        # OpenCV rotates counterclockwise.
        matrix = cv2.getRotationMatrix2D(
            (middle, middle), -plan.angle[n], plan.scale[n] / radius
        )
        matrix[:, 2] += x - middle, y - middle
        layer = cv2.warpAffine(
            sprite, matrix, (width, height), flags=cv2.INTER_LINEAR
        )
        frame = background * (1 - layer[..., 3:]) + layer[..., :3]
        out[n] = np.rint(frame)
    return out


def _sprite(look: Look, radius: int) -> np.ndarray:
    """Return colours times opacity, and opacity: (S, S, 4) float32."""
    side = 2 * radius + 3  # a clear margin, for the interpolation
    axis = np.arange(side) - (side - 1) / 2
    x, y = np.meshgrid(axis, axis)
    # An outline of two or more equal lobes has its centroid in its centre.
    outline = (
        radius
        * (1 + look.depth * np.cos(look.lobes * np.arctan2(y, x)))
        / (1 + look.depth)
    )
    alpha = np.clip(outline - np.hypot(x, y) + 0.5, 0, 1)[..., None]
    # Painted at one size: another size would give another picture.
    color = cv2.resize(
        _texture(look.sprite_seed, 48, look.sprite_gray, look.sprite_contrast),
        (side, side),
        interpolation=cv2.INTER_AREA,
    )
    return np.concatenate([alpha * color, alpha], axis=2).astype(np.float32)


def _texture(seed: int, size: int, gray: float, contrast: float) -> np.ndarray:
    """Return a square texture, (size, size, 3) float32 in 0..255."""
    leaves = draw_dead_leaves(size, np.random.default_rng(seed))
    return np.clip(
        gray + contrast * (leaves.astype(np.float32) - 127.5), 0, 255
    )
