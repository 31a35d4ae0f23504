"""People drawn from motion capture: real motion, drawn bodies.

A body consists of some twenty capsules, limbs of realistic width that taper
towards the hand or foot. They are drawn into a depth buffer, so that a nearer
limb hides a farther one, and shaded by their normals. Clothes, build,
position, scale, camera and background vary. The person is filmed from the
front, up to 70 degrees to either side of its facing direction in the first
frame, and no image is ever mirrored: a raised left hand stays a raised left
hand.

As everywhere in this package, everything random is *drawn* first, and
rendering is deterministic::

    shot = draw_shot((112, 112), rng)
    motion = trim(motion, shot)
    body = render_body(motion, shot)
    still = render_shot(body, shot, background)                  # uint8
    panned = render_shot(body, shot, background, pan_path(shot, N, fps))

Motion comes from :mod:`mosi_mmaction.synthetic.bvh`: y up, right-handed,
centimetres. Pixels are (x, y), x to the right and y down.
"""

from dataclasses import replace

import cv2
import numpy as np

from .bvh import Motion
from .shots import Shot

#: Possible names of each joint: those of Bandai Namco Research, then others.
_NAMES = {
    'hips': ('Hips', 'hip', 'Pelvis'),
    'chest': ('Chest', 'Spine2', 'Spine1'),
    'neck': ('Neck', 'neck'),
    'head': ('Head', 'head'),
    **{
        f'{part}_{side[0]}': (f'{ours}_{side[0]}', f'{side}{theirs}')
        for side in ('Left', 'Right')
        for part, ours, theirs in (
            ('shoulder', 'UpperArm', 'Arm'),
            ('elbow', 'LowerArm', 'ForeArm'),
            ('wrist', 'Hand', 'Hand'),
            ('hip', 'UpperLeg', 'UpLeg'),
            ('knee', 'LowerLeg', 'Leg'),
            ('ankle', 'Foot', 'Foot'),
            ('toe', 'Toes', 'ToeBase'),
        )
    },
}

#: Factor of oversampling.
_OVERSAMPLING = 2

#: Walks are cut to their middle part until the person has at least this height
#: (a share of that of the frame), but not below this number of frames.
SMALLEST, FEWEST = 0.4, 24

# (from, to, radius there, radius here in cm, colour), without sides.
_LIMBS = (
    ('shoulder', 'elbow', 5.6, 4.6, 'sleeve'),
    ('elbow', 'wrist', 4.4, 3.2, 'forearm'),
    ('wrist', 'hand', 3.6, 2.8, 'skin'),
    ('hip', 'knee', 8.6, 6.2, 'trousers'),
    ('knee', 'ankle', 6.0, 4.2, 'shin'),
    ('ankle', 'toe', 4.6, 3.6, 'shoes'),
    # The flanks.
    ('flank', 'hip', 7.6, 8.4, 'shirt'),
)
_TRUNK = (
    ('neck', 'head', 5.0, 5.0, 'skin'),
    ('shoulder_L', 'shoulder_R', 6.4, 6.4, 'shirt'),
    ('chest', 'hips', 11.0, 11.0, 'shirt'),
    ('hip_L', 'hip_R', 9.4, 9.4, 'trousers'),
    ('head', 'crown', 8.6, 9.4, 'skin'),
    ('hair_low', 'hair_top', 9.2, 9.4, 'hair'),
    ('nose', 'nose', 2.2, 2.2, 'skin'),
)


def body_points(motion: Motion) -> dict[str, np.ndarray]:
    """Return the points of a body, name to (N, 3).

    Raises:
        ValueError: If the motion does not have the joints of a person.
    """
    points = {}
    for name, known in _NAMES.items():
        there = [n for n in known if n in motion.joints]
        if not there:
            raise ValueError(
                f'no joint for {name}: looked for {", ".join(known)} among '
                f'{", ".join(motion.joints)}'
            )
        points[name] = motion.at(there[0])
    for side in 'LR':
        fore = points[f'wrist_{side}'] - points[f'elbow_{side}']
        points[f'hand_{side}'] = points[f'wrist_{side}'] + 0.45 * fore
        # Inside the arm, so that a hanging arm is next to the trunk.
        other = points[f'shoulder_{"R" if side == "L" else "L"}']
        points[f'flank_{side}'] = (
            0.7 * points[f'shoulder_{side}'] + 0.3 * other
        )
    front = _unit(_facing(points))
    up = _unit(points['head'] - points['neck'])
    head = points['head']
    points['crown'] = head + 10 * up + 1.5 * front
    points['hair_low'] = head + 7 * up - 3 * front
    points['hair_top'] = head + 13.5 * up - 1 * front
    points['nose'] = head + 6 * up + 10 * front
    return points


def _facing(points: dict[str, np.ndarray]) -> np.ndarray:
    """Return the direction of the chest, (N, 3): left crossed with up."""
    left = points['shoulder_L'] - points['shoulder_R']
    left = left + points['hip_L'] - points['hip_R']
    return np.cross(left, [0.0, 1.0, 0.0])


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-9)


def project(
    motion: Motion, shot: Shot
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the body's points as seen by the still camera.

    Args:
        motion: Motion of the person.
        shot: Camera and position.

    Returns:
        Name to (N, 3): (x, y) in pixels and the distance from the camera in
        cm; and name to (N,): pixels per centimetre at that distance.
    """
    points = body_points(motion)
    front = _facing(points)[0]
    yaw = np.arctan2(front[0], front[2]) + np.radians(shot.yaw)
    pitch, roll = np.radians(shot.pitch), np.radians(shot.roll)
    towards = np.array(
        [
            np.sin(yaw) * np.cos(pitch),
            np.sin(pitch),
            np.cos(yaw) * np.cos(pitch),
        ]
    )
    right = np.array([np.cos(yaw), 0, -np.sin(yaw)])
    up = np.cross(towards, right)
    right, up = (
        np.cos(roll) * right + np.sin(roll) * up,
        np.cos(roll) * up - np.sin(roll) * right,
    )
    axes = np.stack([right, up, towards])
    everything = np.concatenate(list(points.values()))
    middle = (everything.min(axis=0) + everything.max(axis=0)) / 2
    seen = {k: (v - middle) @ axes.T for k, v in points.items()}
    # The nearest point of the motion is `distance` away, or more.
    nearest = max(v[:, 2].max() for v in seen.values())
    camera = shot.distance + nearest
    plane = {
        k: np.stack([v[:, 0], -v[:, 1]], 1) / (camera - v[:, 2:])
        for k, v in seen.items()
    }
    height, width = shot.size
    tallest = max(
        float(np.ptp([p[n, 1] for p in plane.values()]))
        for n in range(0, len(motion.positions), 4)
    )
    flat = np.concatenate(list(plane.values()))
    margin = 14 * shot.girth / shot.distance
    low, high = flat.min(axis=0) - margin, flat.max(axis=0) + margin
    focal = min(
        shot.height * height / tallest,
        0.98 * width / (high[0] - low[0]),
        0.98 * height / (high[1] - low[1]),
    )
    room = np.array([width, height]) - focal * (high - low)
    shift = np.array(shot.place) * room - focal * low
    out = {
        k: np.concatenate([focal * p + shift, camera - seen[k][:, 2:]], axis=1)
        for k, p in plane.items()
    }
    return out, {k: focal / v[:, 2] for k, v in out.items()}


def trim(motion: Motion, shot: Shot) -> Motion:
    """Return the middle of a motion whose path would make the person small.

    A person who walks ten metres past a still camera is tiny or outside the
    picture. Both ends are cut equally, which keeps a turn in the middle.

    Args:
        motion: Motion of the person.
        shot: Camera and position.
    """
    count = len(motion.positions)
    for share in np.arange(1, 0.1, -0.1):
        keep = max(round(share * count), min(FEWEST, count))
        start = (count - keep) // 2
        part = replace(
            motion, positions=motion.positions[start : start + keep]
        )
        where, _ = project(part, shot)
        tall = max(
            float(np.ptp([p[n, 1] for p in where.values()]))
            for n in range(0, keep, 4)
        )
        if tall >= SMALLEST * shot.size[0] or keep <= FEWEST:
            break
    return part


def render_body(motion: Motion, shot: Shot) -> np.ndarray:
    """Render only the person. Pure: equal arguments, equal pixels.

    Args:
        motion: Motion of the person.
        shot: Camera, position and looks.

    Returns:
        Colours times opacity, and opacity in 0..1, (N, H, W, 4) float32.
    """
    where, scale = project(motion, shot)
    parts = [
        (f'{start}_{side}', f'{end}_{side}', thick, thin, name)
        for start, end, thick, thin, name in _LIMBS
        for side in 'LR'
    ] + list(_TRUNK)
    height, width = shot.size
    big = (_OVERSAMPLING * height, _OVERSAMPLING * width)
    light = np.array(shot.light, np.float32)
    out = np.empty((len(motion.positions), height, width, 4), np.float32)
    for n in range(len(out)):
        color = np.zeros((*big, 4), np.float32)
        depth = np.full(big, np.inf, np.float32)
        for start, end, thick, thin, name in parts:
            wide = 1.0 if name in ('skin', 'hair') else shot.girth
            _draw_capsule(
                color,
                depth,
                (where[start][n], where[end][n]),
                (scale[start][n], scale[end][n]),
                (wide * thick, wide * thin),
                shot.colors[name],
                light,
            )
        out[n] = cv2.resize(
            color, (width, height), interpolation=cv2.INTER_AREA
        )
    return out


def _draw_capsule(color, depth, ends, scales, radii, rgb, light) -> None:
    """Draw one capsule into colours and depth, in place."""
    (ax, ay, az), (bx, by, bz) = ends
    k = _OVERSAMPLING
    ax, ay, bx, by = k * ax, k * ay, k * bx, k * by
    ra, rb = k * radii[0] * scales[0], k * radii[1] * scales[1]
    reach = max(ra, rb) + 1
    height, width = depth.shape
    x0, x1 = int(max(0, min(ax, bx) - reach)), int(max(ax, bx) + reach) + 2
    y0, y1 = int(max(0, min(ay, by) - reach)), int(max(ay, by) + reach) + 2
    x1, y1 = min(x1, width), min(y1, height)
    if x0 >= x1 or y0 >= y1:
        return
    # Pixel centres of the oversampled frame, in its own coordinates.
    x = np.arange(x0, x1, dtype=np.float32)[None] + 0.5 - ax
    y = np.arange(y0, y1, dtype=np.float32)[:, None] + 0.5 - ay
    dx, dy = bx - ax, by - ay
    t = (x * dx + y * dy) / max(dx * dx + dy * dy, 1e-6)
    np.clip(t, 0, 1, out=t)
    nx, ny = x - t * dx, y - t * dy
    radius = ra + t * (rb - ra)
    nx /= radius
    ny /= radius
    bulge = 1 - nx * nx - ny * ny
    inside = bulge > 0
    nz = np.sqrt(np.maximum(bulge, 0))
    cm = radii[0] + t * (radii[1] - radii[0])
    z = az + t * (bz - az) - nz * cm
    window = (slice(y0, y1), slice(x0, x1))
    nearer = inside & (z < depth[window])
    shade = 0.45 + 0.6 * np.maximum(
        nx * light[0] - ny * light[1] + nz * light[2], 0
    )
    depth[window][nearer] = z[nearer]
    lit = np.minimum(shade[nearer, None] * np.array(rgb, np.float32), 255)
    pixels = color[window]
    pixels[nearer, :3] = lit
    pixels[nearer, 3] = 1
