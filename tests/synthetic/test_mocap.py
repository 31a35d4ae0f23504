"""Motion capture: joints are right, left stays left, a seed is a video."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from helpers.bvh_person import SKELETON, write_bvh
from helpers.paths import TOOLS
from mosi_mmaction.synthetic import bodies, shots
from mosi_mmaction.synthetic.bvh import read_bvh

TOOL = TOOLS / 'data/mocap_videos.py'


def test_joints_by_hand(tmp_path):
    motion = read_bvh(write_bvh(tmp_path / 'a.bvh', 'L', frames=41))
    assert motion.joints[0] == 'Hips' and motion.parents[0] == -1
    assert abs(motion.fps - 30) < 1e-3
    assert motion.positions.shape == (41, len(SKELETON), 3)
    angle = np.radians(160)  # half-way, of an arm of 51 cm
    shoulder = [18, 135, 0]
    expected = np.add(shoulder, [51 * np.sin(angle), -51 * np.cos(angle), 0])
    assert np.allclose(motion.at('Hand_L')[20], expected, atol=1e-2)
    assert np.allclose(motion.at('Hand_R')[20], [-18, 84, 0])


def test_rotations_turn_in_the_order_written(tmp_path):
    path = tmp_path / 'a.bvh'
    path.write_text(
        'HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n'
        'CHANNELS 3 Zrotation Xrotation Yrotation\nJOINT b\n{\n'
        'OFFSET 1 0 0\nCHANNELS 3 Zrotation Xrotation Yrotation\n'
        'End Site\n{\nOFFSET 0 1 0\n}\n}\n}\nMOTION\nFrames: 1\n'
        'Frame Time: 0.02\n90 0 90 0 0 0\n'
    )
    # Ry takes x to -z, and Rz leaves that alone.
    assert np.allclose(read_bvh(path).at('b')[0], [0, 0, -1])


@pytest.mark.parametrize('cut', [5, 60, -2])
def test_a_file_that_is_not_whole(tmp_path, cut):
    path = write_bvh(tmp_path / 'a.bvh', 'L')
    lines = path.read_text().splitlines()
    path.write_text('\n'.join(lines[:cut]))
    with pytest.raises(ValueError, match='a.bvh, about line'):
        read_bvh(path)


@pytest.mark.parametrize(
    'old, new, line',
    [
        ('OFFSET 1 0 0', 'OFFSET 1 0', 8),
        ('0.02', 'nan', 16),
        ('0.02', 'inf', 16),
        ('90 0 90', '90 nan 90', 16),
        ('HIERARCHY', '\udcff', 0),
    ],
)
def test_numbers_that_are_none(tmp_path, old, new, line):
    text = (
        'HIERARCHY\nROOT a\n{\nOFFSET 0 0 0\n'
        'CHANNELS 3 Zrotation Xrotation Yrotation\nJOINT b\n{\n'
        'OFFSET 1 0 0\nCHANNELS 0\nEnd Site\n{\nOFFSET 0 1 0\n}\n}\n}\n'
        'MOTION\nFrames: 1\nFrame Time: 0.02\n90 0 90\n'
    )
    path = tmp_path / 'a.bvh'
    path.write_text(text)
    assert read_bvh(path).positions.shape == (1, 2, 3)
    path.write_text(text.replace(old, new), errors='surrogateescape')
    with pytest.raises(ValueError, match=f'a.bvh, about line {line}:'):
        read_bvh(path)


def test_an_end_site_moves_nothing(tmp_path):
    path = write_bvh(tmp_path / 'a.bvh', 'L')
    lines = path.read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if 'End Site' in line)
    lines.insert(at + 3, 'CHANNELS 3 Zrotation Xrotation Yrotation')
    path.write_text('\n'.join(lines))
    with pytest.raises(ValueError, match=f'about line {at + 4}: .*End Site'):
        read_bvh(path)


def test_a_skeleton_of_no_person(tmp_path):
    path = write_bvh(tmp_path / 'a.bvh', 'L')
    path.write_text(path.read_text().replace('Foot_L', 'Wheel'))
    with pytest.raises(ValueError, match='no joint for ankle_L'):
        bodies.body_points(read_bvh(path))


@pytest.mark.parametrize('seed', range(12))
@pytest.mark.parametrize('side', ['L', 'R'])
def test_left_stays_left_in_pixels(tmp_path, side, seed):
    """What moves lies right of the body for a left arm, as in life."""
    motion = read_bvh(write_bvh(tmp_path / 'a.bvh', side, frames=21))
    shot = shots.draw_shot((96, 96), np.random.default_rng(seed))
    body = bodies.render_body(motion, shot)
    where, _ = bodies.project(motion, shot)
    moved = abs(body - body[0]).sum(axis=-1)[6:15].sum(axis=0)
    rows, columns = np.nonzero(moved > 0.2 * moved.max())
    middle = where['chest'][0, 0]
    assert (np.mean(columns) > middle) == (side == 'L')
    # The hand that was drawn is where the joint is projected to.
    hand = where[f'wrist_{side}'][10, :2]
    x, y = np.floor(hand).astype(int)
    assert body[10, y, x, 3] > 0.5


def test_nearer_limbs_hide_farther_ones(tmp_path):
    """From the left, the left arm is seen and not the right one."""
    motion = read_bvh(write_bvh(tmp_path / 'a.bvh', '', frames=2))
    shot = shots.draw_shot((128, 128), np.random.default_rng(1))
    colors = dict(shot.colors, sleeve=(250.0, 0.0, 0.0), shirt=(0.0, 0.0, 9.0))
    shot = bodies.replace(
        shot, yaw=90, pitch=0, roll=0, colors=colors, light=(0, 0, 1)
    )
    body = bodies.render_body(motion, shot)
    where, _ = bodies.project(motion, shot)
    x, y = where['elbow_L'][0, :2].astype(int)
    near = where['elbow_L'][0, 2]
    assert near < where['elbow_R'][0, 2]
    assert body[0, y - 3, x, 0] > 100  # the sleeve, not the flank


def test_people_lie_inside_the_frame_and_fill_some_of_it(tmp_path):
    path = write_bvh(tmp_path / 'a.bvh', 'LR', frames=120, travel=900)
    motion = read_bvh(path)
    for seed in range(8):
        shot = shots.draw_shot((96, 96), np.random.default_rng(seed))
        part = bodies.trim(motion, shot)
        where, _ = bodies.project(part, shot)
        for name, p in where.items():
            assert (p[:, :2] > 0).all() and (p[:, :2] < 96).all(), name
        tall = max(
            np.ptp([p[n, 1] for p in where.values()])
            for n in range(len(part.positions))
        )
        assert tall > 0.35 * 96
        assert len(part.positions) >= bodies.FEWEST


def run(folder, out, *more):
    done = subprocess.run(
        [sys.executable, str(TOOL), str(folder), '--out', str(out), *more],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def frames_of(path):
    video = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = video.read()
        if not there:
            return np.array(frames)
        frames.append(frame)


def test_tool(tmp_path):
    folder, out = tmp_path / 'bvh', tmp_path / 'a'
    folder.mkdir()
    for style in ('calm', 'wild'):
        for action, raised in (('raise-left', 'L'), ('raise-right', 'R')):
            for number in range(2):
                write_bvh(folder / f'{action}_{style}_{number}.bvh', raised)
    run(folder, out, '--size', '48', '--per-class', '1')
    folds = out / 'lists/folds'
    train = (folds / 'calm_train.txt').read_text().splitlines()
    test = (folds / 'calm_test.txt').read_text().splitlines()
    assert train == [
        'raise-left/raise-left_calm_0.mp4 0',
        'raise-left/raise-left_calm_1.mp4 0',
        'raise-right/raise-right_calm_0.mp4 1',
        'raise-right/raise-right_calm_1.mp4 1',
    ]
    assert len(test) == 2 and all('_wild_' in line for line in test)
    assert (out / 'lists/classes.txt').read_text() == (
        'raise-left\nraise-right\n'
    )
    name = 'raise-left/raise-left_calm_1.mp4'
    still, panned = (
        frames_of(out / kind / name) for kind in ('still', 'panning')
    )
    assert still.shape == panned.shape == (20, 48, 48, 3)
    # A corner that no one walks through: only a panning camera changes it.
    corner = [
        abs(np.diff(v[:, -6:, :6].astype(int), axis=0)).mean()
        for v in (still, panned)
    ]
    assert corner[0] < 1.5 < corner[1]
    # One file alone gives the same video, byte for byte.
    alone = tmp_path / 'alone'
    alone.mkdir()
    write_bvh(alone / 'raise-left_calm_1.bvh', 'L')
    run(alone, tmp_path / 'b', '--size', '48')
    for kind in ('still', 'panning'):
        assert (tmp_path / 'b' / kind / name).read_bytes() == (
            out / kind / name
        ).read_bytes()
    # Of other settings, written again as the message says; no one else's.
    other = tmp_path / 'b/still/raise-left/holidays_1_2.mp4'
    other.touch()
    for kind in ('still', 'panning'):
        (tmp_path / 'b' / f'{kind}.json').unlink()
    run(alone, tmp_path / 'b', '--size', '64')
    for kind in ('still', 'panning'):
        assert frames_of(tmp_path / 'b' / kind / name).shape[1:3] == (64, 64)
    assert other.exists()
