"""How a person is filmed: camera, clothes, light, position, and background.

A shot is *drawn* independently of the motion and used twice, for a still
camera and for a panning one (:func:`pan_path`).
:mod:`mosi_mmaction.synthetic.bodies` renders the person, and
:func:`render_shot` puts it in front of a background.
"""

from dataclasses import dataclass

import cv2
import numpy as np

#: Largest pan of the camera, as a share of the frame's width.
MAX_PAN = 0.4


@dataclass(frozen=True, eq=False)
class Shot:
    """Everything drawn for one video, still and panning.

    Attributes:
        size: (H, W) of the frames in pixels.
        yaw: Direction of the camera, in degrees from the person's facing
            direction in the first frame, positive on the person's left.
        pitch: Angle by which the camera looks down, in degrees.
        roll: Angle by which the camera is tilted, in degrees.
        distance: Distance from the camera to the nearest point of the motion,
            along the direction of the camera, in cm.
        height: Height of the person at its nearest point, as a share of the
            frame's height; smaller if the whole path would not fit.
        place: Position of the path within the remaining space of the frame,
            (x, y) in [0, 1].
        girth: Factor of the width of all limbs.
        colors: Name to RGB in 0..255.
        light: Unit vector towards the light, in camera coordinates (right,
            up, towards the camera).
        pan: (speed, phase, swing, tilt): speed of the pan in [-1, 1] of
            :data:`MAX_PAN`, and the swing and tilt added to it.
        background: Number in [0, 1) that selects the background.
        background_seed: Seed of its crop, or of a drawn background.
    """

    size: tuple[int, int]
    yaw: float
    pitch: float
    roll: float
    distance: float
    height: float
    place: tuple[float, float]
    girth: float
    colors: dict[str, tuple[float, float, float]]
    light: tuple[float, float, float]
    pan: tuple[float, float, float, float]
    background: float
    background_seed: int


def draw_shot(size: tuple[int, int], rng: np.random.Generator) -> Shot:
    """Draw clothes, build, camera, position, pan and background.

    All of it is independent of the motion.

    Args:
        size: (H, W) of the frames in pixels, each even and at least 32.
        rng: The only source of randomness.

    Raises:
        ValueError: If the frames are too small or odd.
    """
    if min(size) < 32 or size[0] % 2 or size[1] % 2:
        raise ValueError(f'size={size}: even and at least 32 are allowed')

    def cloth():
        return tuple(rng.uniform(20, 235, 3).tolist())

    tone = rng.uniform(0.35, 1.05)
    skin = (tone * 235, tone * 185, tone * 155)
    hair = rng.uniform(0.15, 1)
    colors = dict(
        skin=skin,
        hair=(hair * 130, hair * 95, hair * 60),
        shirt=cloth(),
        trousers=cloth(),
        shoes=cloth(),
    )
    long_sleeves, shorts = rng.random() < 0.5, rng.random() < 0.25
    colors['sleeve'] = skin if rng.random() < 0.1 else colors['shirt']
    colors['forearm'] = colors['sleeve'] if long_sleeves else skin
    colors['shin'] = skin if shorts else colors['trousers']
    light = np.array([rng.uniform(-1, 1), rng.uniform(0.3, 1), 0.8])
    light /= np.linalg.norm(light)
    return Shot(
        size=(int(size[0]), int(size[1])),
        yaw=rng.uniform(-70, 70),
        pitch=rng.uniform(-4, 22),
        roll=rng.uniform(-4, 4),
        distance=rng.uniform(450, 900),
        height=rng.uniform(0.6, 0.9),
        place=(rng.random(), rng.random()),
        girth=rng.uniform(0.85, 1.3),
        colors={
            name: (float(red), float(green), float(blue))
            for name, (red, green, blue) in colors.items()
        },
        light=tuple(light.tolist()),
        pan=(
            float(rng.choice([-1, 1]) * rng.uniform(0.5, 1)),
            rng.random(),
            rng.uniform(0, 0.3),
            rng.uniform(-0.3, 0.3),
        ),
        background=rng.random(),
        background_seed=int(rng.integers(2**63)),
    )


def pan_path(shot: Shot, num_frames: int, fps: float) -> np.ndarray:
    """Return the shift of the picture by the pan, (N, 2) pixels.

    A panning camera moves everything that it sees alike, person and
    background. It sweeps back and forth in about four seconds.
    """
    speed, phase, swing, tilt = shot.pan
    t = np.arange(num_frames) / fps
    sweep = 2 * abs(2 * ((t / 4 + phase) % 1) - 1) - 1  # a triangle
    wobble = np.sin(2 * np.pi * (t / 1.7 + phase))
    x = (speed * sweep + swing * wobble) / (1 + swing)
    y = tilt * np.sin(2 * np.pi * (t / 3 + phase))
    height, width = shot.size
    return MAX_PAN / 2 * np.stack([x * width, y * height], axis=1)


def canvas_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return (H, W) of the background that a panning camera sees."""
    height, width = (int(np.ceil(s * (1 + MAX_PAN))) + 4 for s in size)
    return height, width


def render_shot(
    body: np.ndarray,
    shot: Shot,
    background: np.ndarray,
    shift: np.ndarray | None = None,
) -> np.ndarray:
    """Put a rendered person in front of a background. Pure.

    Args:
        body: Result of :func:`render_body`, (N, H, W, 4).
        shot: The same shot.
        background: Background of :func:`canvas_size`, (H', W', 3) uint8 RGB.
        shift: Result of :func:`pan_path`, (N, 2); None is a still camera.

    Returns:
        (N, H, W, 3) uint8 RGB.
    """
    height, width = shot.size
    canvas = background.astype(np.float32)
    middle = (np.array(canvas.shape[1::-1]) - [width, height]) / 2
    out = np.empty((len(body), height, width, 3), np.uint8)
    still = None
    for n, layer in enumerate(body):
        x, y = (0.0, 0.0) if shift is None else shift[n]
        if still is None or shift is not None:
            matrix = np.array([[1, 0, x - middle[0]], [0, 1, y - middle[1]]])
            still = cv2.warpAffine(
                canvas,
                matrix,
                (width, height),
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REFLECT,
            )
        if shift is not None:
            layer = cv2.warpAffine(
                layer, np.array([[1, 0, x], [0, 1, y]]), (width, height)
            )
        frame = still * (1 - layer[..., 3:]) + layer[..., :3]
        out[n] = np.clip(np.rint(frame), 0, 255)
    return out
