"""Action videos on the disk: whole, kept, and the same again."""

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


def make(action, seed, size=SIZE, num_frames=40):
    plan = draw_action(
        action,
        size,
        num_frames,
        np.random.default_rng((seed, ACTIONS.index(action))),
    )
    return plan, draw_look(np.random.default_rng((seed, 99)))


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
    with pytest.raises(ValueError, match='other settings|use another root'):
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
