"""The labels of the action videos are true of their pixels."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mosi_mmaction.synthetic.sprite_actions import (
    ACTIONS,
    draw_action,
    draw_look,
    render_action,
)

SIZE = (64, 64)
SEEDS = range(6)


def make(action, seed, size=SIZE, num_frames=40):
    plan = draw_action(
        action,
        size,
        num_frames,
        np.random.default_rng((seed, ACTIONS.index(action))),
    )
    return plan, draw_look(np.random.default_rng((seed, 99)))


class Tracked:
    """What can be seen of the sprite, from pixels alone.

    Attributes:
        mask: (N, H, W) bool, where a frame differs from the background.
        xy: (N, 2), centroid of the mask in pixels.
        area: (N,), pixels of the mask.
        moves: (N - 1,), number of pixels that change to the next frame.
    """

    def __init__(self, plan, look):
        frames = render_action(plan, look).astype(int)
        gone = replace(plan, centre=plan.centre - 1000)
        background = render_action(gone, look).astype(int)
        assert (background == background[0]).all()
        self.mask = abs(frames - background).max(axis=3) > 10
        rows, columns = np.indices(self.mask.shape[1:])
        self.area = self.mask.sum(axis=(1, 2))
        self.xy = (
            np.stack(
                [
                    (self.mask * columns).sum(axis=(1, 2)),
                    (self.mask * rows).sum(axis=(1, 2)),
                ],
                axis=1,
            )
            / self.area[:, None]
        )
        self.moves = (
            (np.diff(frames, axis=0) != 0).any(axis=3).sum(axis=(1, 2))
        )
        self.extent = np.ptp(self.xy, axis=0)
        self.velocity = np.diff(self.xy, axis=0)


def turns_back(velocity, least=0.7):
    """Count changes of sign, slow frames left out."""
    sign = np.sign(velocity[abs(velocity) > least])
    return int((sign[1:] != sign[:-1]).sum())


def swept(xy):
    """Angle of the heading as it goes on, in turns, (N - 1,)."""
    step = np.diff(xy, axis=0)
    return np.unwrap(np.arctan2(step[:, 1], step[:, 0])) / (2 * np.pi)


def growth(area):
    """Ratio of the area to that of five frames before."""
    return area[5:] / area[:-5]


def what_moves(track):
    """Name the class, by rules written from the classes' definitions."""
    x, y = track.xy.T
    wide, high = track.extent
    vx, vy = track.velocity.T
    if max(wide, high) < 4 and np.ptp(track.area) > 0.8 * track.area.min():
        return 'approach' if (growth(track.area) > 1).all() else 'zoom'
    if max(wide, high) < 4:
        return 'rotate'
    if (track.moves[-10:] == 0).all() and (track.moves[:10] > 0).all():
        # Straight: all of the path lies on the line between its ends.
        along = (track.xy[-1] - track.xy[0]) / np.linalg.norm(
            track.xy[-1] - track.xy[0]
        )
        away = (track.xy - track.xy[0]) @ [-along[1], along[0]]
        return 'drift_stop' if abs(away).max() < 2.5 else 'unknown'
    if turns_back(vx, 0) > 10 and turns_back(vy, 0) > 10:
        return 'shake' if max(wide, high) < 16 else 'unknown'
    if turns_back(vx) == 0:
        return (
            'zigzag'
            if turns_back(vy) >= 3 and wide > 15
            else 'bounce'
            if wide < 4 and turns_back(vy) >= 3
            else 'unknown'
        )
    if wide < 4:
        return 'bounce' if turns_back(vy) >= 3 else 'unknown'
    if high < 3:
        return 'oscillate' if turns_back(vx) >= 2 else 'unknown'
    # Hangs low in the middle of the swing, and the swing is an arc.
    middle = (x.max() + x.min()) / 2
    if np.corrcoef(y, (x - middle) ** 2)[0, 1] < -0.9:
        return 'pendulum'
    heading = swept(track.xy)
    heading = (heading - heading[0]) * np.sign(heading[-1] - heading[0])
    if heading[-1] > 0.8 and (np.diff(heading) > -0.06).all():
        speed = np.linalg.norm(track.velocity, axis=1)
        change = speed[:5].mean() / speed[-5:].mean()
        return 'spiral' if max(change, 1 / change) > 2 else 'circle'
    return 'unknown'


@pytest.mark.parametrize('action', ACTIONS)
def test_the_pixels_move_as_the_label_says(action):
    for seed in SEEDS:
        plan, look = make(action, seed)
        track = Tracked(plan, look)
        assert what_moves(track) == action, seed
        assert ACTIONS[plan.label] == action


@pytest.mark.parametrize('action', ACTIONS)
def test_a_mirrored_video_keeps_its_class(action):
    plan, look = make(action, 0)
    mirrored = Tracked(plan, look)
    mirrored.xy[:, 0] = SIZE[1] - 1 - mirrored.xy[:, 0]
    mirrored.velocity = np.diff(mirrored.xy, axis=0)
    assert what_moves(mirrored) == action


@pytest.mark.parametrize('action', ACTIONS)
def test_the_sprite_is_where_the_plan_says(action):
    for seed in SEEDS:
        plan, look = make(action, seed)
        track = Tracked(plan, look)
        assert abs(track.xy - plan.centre).max() < 2
        # Outline r(a) = R (1 + d cos ka) / (1 + d) encloses this area.
        depth = look.depth
        full = np.pi * plan.scale**2 * (1 + depth**2 / 2) / (1 + depth) ** 2
        assert (track.area > 0.7 * full).all()
        assert (track.area < 1.3 * full + 10).all()


@pytest.mark.parametrize('action', ACTIONS)
@pytest.mark.parametrize('size', [(32, 32), (64, 80), (96, 64)])
def test_the_sprite_stays_inside_of_the_frame(action, size):
    height, width = size
    for seed in range(50):
        plan, _ = make(action, seed, size)
        reach = plan.scale[:, None]
        assert (plan.centre - reach > -1e-6).all()
        assert (
            plan.centre + reach < [width - 1 + 1e-6, height - 1 + 1e-6]
        ).all()


@pytest.mark.parametrize('action', ACTIONS)
def test_no_class_is_a_pretext_label(action):
    """Neither rest nor one straight uniform motion fits the whole clip."""
    for seed in SEEDS:
        plan, look = make(action, seed)
        track = Tracked(plan, look)
        assert track.moves.max() > 20, 'rests'
        t = np.arange(len(track.xy))
        seen = np.column_stack([track.xy, np.sqrt(track.area / np.pi)])
        line = np.stack(
            [np.polyval(np.polyfit(t, s, 1), t) for s in seen.T], axis=1
        )
        bent = abs(seen - line).max()
        moved = np.linalg.norm(line[-1, :2] - line[0, :2])
        # What does not leave a line does not travel either: the sprite
        # turns or grows on the spot, which no window over a still does.
        assert bent > 2 or moved < 2


def test_rotation_turns_the_sprite_about_its_centre():
    plan, look = make('rotate', 1)
    frames = render_action(plan, look)
    n = 7
    x, y = plan.centre[0]
    turn = cv2.getRotationMatrix2D((x, y), plan.angle[0] - plan.angle[n], 1)
    turned = cv2.warpAffine(frames[0], turn, SIZE[::-1])
    rows, columns = np.indices(SIZE)
    inside = np.hypot(columns - x, rows - y) < 0.6 * plan.scale[0]

    def error(image):
        return abs(image.astype(int) - frames[n].astype(int))[inside].mean()

    assert error(turned) < 0.5 * error(frames[0])


def test_a_pendulum_points_to_its_pivot():
    plan, _ = make('pendulum', 2)
    angle = np.radians(plan.angle)
    # The point of the sprite that is up when it hangs straight down; the
    # pivot lies on the lines through it and the centre in all frames.
    lines = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    fits = []
    for tilt in np.radians(np.arange(360)):
        turn = np.array(
            [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
        )
        normal = lines @ turn.T
        value = (normal * plan.centre).sum(axis=1)
        fits.append(np.linalg.lstsq(normal, value, rcond=None))
    best = min(fits, key=lambda fit: fit[1].sum())
    assert best[1].sum() < 1
    assert best[0][1] < plan.centre[:, 1].min()  # above


def test_one_frame_does_not_tell_the_class():
    """Place, size and orientation in one frame: near chance (1 in 11)."""
    seen, labels = [], []
    for action in ACTIONS:
        for seed in range(60):
            plan, _ = make(action, seed)
            n = seed * 7 % 40
            seen.append(
                [*plan.centre[n], 2 * plan.scale[n], plan.angle[n] % 360 / 10]
            )
            labels.append(plan.label)
    seen, labels = np.array(seen), np.array(labels)
    distance = np.linalg.norm(seen[:, None] - seen, axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :9]
    votes = np.apply_along_axis(
        np.bincount, 1, labels[nearest], minlength=len(ACTIONS)
    )
    assert (votes.argmax(axis=1) == labels).mean() < 0.25


def test_same_seed_same_pixels_and_nothing_global():
    clips = []
    for _ in range(2):
        np.random.seed(len(clips))
        clips.append(render_action(*make('spiral', 3, (48, 64), 20)))
    assert clips[0].shape == (20, 48, 64, 3)
    assert clips[0].dtype == np.uint8
    assert np.array_equal(*clips)
    assert not np.array_equal(
        clips[0], render_action(*make('spiral', 4, (48, 64), 20))
    )
