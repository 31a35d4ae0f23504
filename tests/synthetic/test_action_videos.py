"""The labels of the action videos are true of their pixels."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mosi_mmaction.synthetic import write
from mosi_mmaction.synthetic.sprite_actions import (
    ACTIONS,
    draw_action,
    draw_look,
    render_action,
)
from mosi_mmaction.synthetic.write import write_action_videos

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


def read(path):
    decord = pytest.importorskip('decord')
    reader = decord.VideoReader(str(path))
    return reader.get_batch(range(len(reader))).asnumpy().astype(float)


@pytest.fixture
def spy(monkeypatch):
    """Collect (plan, look, frames) of everything that is rendered."""
    calls = []

    def render(plan, look):
        calls.append((plan, look, render_action(plan, look)))
        return calls[-1][2]

    monkeypatch.setattr(write, 'render_action', render)
    return calls


def test_files_hold_what_was_rendered(tmp_path, spy):
    paths = write_action_videos(
        tmp_path, 2, 'train', height=48, width=80, num_frames=24
    )
    assert len(paths) == len(spy) == 2 * len(ACTIONS)
    luma = np.array([0.299, 0.587, 0.114])
    for path, (plan, _, frames) in zip(paths, spy):
        assert path.parent.name == plan.action
        decoded = read(path)
        assert decoded.shape == (24, 48, 80, 3)
        assert abs((decoded - frames) @ luma).mean() < 5
        # Colours are stored at half the resolution, but not swapped.
        error = abs(decoded - frames).mean()
        assert error < 12
        assert error < 0.7 * abs(decoded[..., ::-1] - frames).mean()
        moving = abs(np.diff(frames @ luma, axis=0)).mean(axis=(1, 2)) > 6
        here = abs((decoded - frames)[:-1] @ luma).mean(axis=(1, 2))
        later = abs((decoded[:-1] - frames[1:]) @ luma).mean(axis=(1, 2))
        assert (here < later)[moving].all()


def test_list_file_and_labels(tmp_path):
    chosen = ('zoom', 'bounce', 'circle')
    root = tmp_path / 'a b ü'
    paths = write_action_videos(root, 2, 'test', num_frames=16, actions=chosen)
    assert (root / 'test.txt').read_text().splitlines() == [
        f'test/{name}/{name}_test_{i:03d}.mp4 {label}'
        for label, name in enumerate(chosen)
        for i in range(2)
    ]
    assert [p.relative_to(root).as_posix() for p in paths] == [
        line.rsplit(' ', 1)[0]
        for line in (root / 'test.txt').read_text().splitlines()
    ]
    assert all(p.is_file() for p in paths)
    left = [p.name for p in root.rglob('.*')]
    assert left == []


def test_looks_are_shared_by_classes_and_by_no_two_splits(tmp_path, spy):
    looks = {}
    for split in ('train', 'test'):
        spy.clear()
        write_action_videos(tmp_path, 3, split, num_frames=16)
        for action in ACTIONS:
            shown = [look for plan, look, _ in spy if plan.action == action]
            assert shown == looks.setdefault(split, shown)
        assert len(set(looks[split])) == 3
    seeds = [
        {
            s
            for look in looks[split]
            for s in (look.background_seed, look.sprite_seed)
        }
        for split in ('train', 'test')
    ]
    assert len(seeds[0]) == len(seeds[1]) == 6
    assert not seeds[0] & seeds[1]
    # Seen in the pixels too: the upper left corners are all different.
    motion, _ = make('rotate', 0)
    gone = replace(motion, centre=motion.centre - 1000)
    views = {
        render_action(gone, look)[0].tobytes()
        for split in looks
        for look in looks[split]
    }
    assert len(views) == 6


def test_second_run_keeps_files_and_an_interrupted_one_is_finished(
    tmp_path, monkeypatch
):
    arguments = {'split': 'train', 'num_frames': 16, 'actions': ACTIONS[:2]}
    whole = write_action_videos(tmp_path / 'whole', 2, **arguments)

    root = tmp_path / 'interrupted'
    done = []

    def interrupted(plan, look):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(plan)
        return render_action(plan, look)

    monkeypatch.setattr(write, 'render_action', interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_action_videos(root, 2, **arguments)
    assert not (root / 'train.txt').exists()
    first = sorted(root.rglob('*.mp4'))
    assert len(first) == 2
    stamps = [p.stat().st_mtime_ns for p in first]
    monkeypatch.undo()

    paths = write_action_videos(root, 2, **arguments)
    assert [p.stat().st_mtime_ns for p in first] == stamps
    for a, b in zip(whole, paths):
        assert np.array_equal(read(a), read(b))

    def never(plan, look):
        raise AssertionError('rendered again')

    monkeypatch.setattr(write, 'render_action', never)
    assert write_action_videos(root, 2, **arguments) == paths


def test_a_half_written_video_is_not_counted(tmp_path, monkeypatch):
    class Breaks:
        def __init__(self, *args):
            self.writer = real(*args)
            self.left = 3

        def write(self, frame):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            self.writer.write(frame)

        def __getattr__(self, name):
            return getattr(self.writer, name)

    real = cv2.VideoWriter
    monkeypatch.setattr(cv2, 'VideoWriter', Breaks)
    with pytest.raises(KeyboardInterrupt):
        write_action_videos(tmp_path, 1, 'train', num_frames=16)
    assert [p for p in tmp_path.rglob('*') if 'mp4' in p.name] == []

    # A writer that loses frames in silence, as on a full disk.
    monkeypatch.setattr(
        Breaks,
        'write',
        lambda self, frame: (
            setattr(self, 'left', self.left - 1)
            or (self.left > 0 and self.writer.write(frame))
        ),
    )
    with pytest.raises(OSError, match='only 2 of 16 frames'):
        write_action_videos(tmp_path, 1, 'train', num_frames=16)
    assert [p for p in tmp_path.rglob('*') if 'mp4' in p.name] == []


def test_a_video_does_not_depend_on_the_others(tmp_path):
    few = write_action_videos(
        tmp_path / 'few', 1, 'train', num_frames=16, actions=('zoom',)
    )
    many = write_action_videos(
        tmp_path / 'many',
        2,
        'train',
        num_frames=16,
        actions=('circle', 'zoom'),
    )
    assert few[0].name == many[2].name
    assert np.array_equal(read(few[0]), read(many[2]))


def test_other_settings_are_not_mixed(tmp_path):
    write = {
        'videos_per_class': 1,
        'split': 'train',
        'num_frames': 16,
        'actions': ('zoom',),
    }
    before, _ = write_action_videos(
        tmp_path, seed=0, **{**write, 'videos_per_class': 2}
    )
    old = read(before)
    with pytest.raises(ValueError, match='other settings|give another root'):
        write_action_videos(tmp_path, seed=1, **write)
    assert np.array_equal(read(before), old)
    (tmp_path / 'train.json').unlink()
    (after,) = write_action_videos(tmp_path, seed=1, **write)
    assert after == before
    assert len(list(tmp_path.rglob('*.mp4'))) == 1
    assert not np.array_equal(read(after), old)


@pytest.mark.parametrize(
    'arguments, says',
    [
        ({'actions': ('zoom', 'walk')}, 'walk'),
        ({'actions': ()}, 'actions'),
        ({'actions': ('zoom', 'zoom')}, 'different'),
        ({'split': 'a/b'}, 'split'),
        ({'split': 'a b'}, 'split'),
        ({'videos_per_class': 0}, 'videos_per_class=0'),
        ({'height': 63}, 'even'),
        ({'height': 30}, '32x32'),
        ({'num_frames': 8}, '16 frames'),
    ],
)
def test_arguments_are_checked(tmp_path, arguments, says):
    valid = {'videos_per_class': 1, 'split': 'train'}
    with pytest.raises(ValueError, match=says):
        write_action_videos(tmp_path / 'new', **{**valid, **arguments})
    assert not (tmp_path / 'new').exists()


def test_unknown_action():
    with pytest.raises(ValueError, match='walk.*oscillate'):
        draw_action('walk', SIZE, 40, np.random.default_rng(0))


def test_no_codec(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, 'VideoWriter_fourcc', lambda *_: 0x12345678)
    with pytest.raises(OSError, match='opencv-python'):
        write_action_videos(tmp_path, 1, 'train', num_frames=16)
