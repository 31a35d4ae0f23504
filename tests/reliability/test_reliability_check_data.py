"""tools/check_data.py finds what a run would stop at."""

import itertools
import json
import os
import sys
import time
from types import SimpleNamespace

import cv2
import pytest

from helpers.launch import TOOLS, run, start
from helpers.motion_truth import textured_image
from helpers.odd_files import (
    swell,
    write_odd_image,
    write_video,
)


@pytest.fixture
def good(tmp_path):
    """Three good images; a quarter of the list is bad at most."""
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f'good_{i}.png'))
        cv2.imwrite(paths[-1], textured_image(80, i))
    return paths


# -------------------------------------------------------------- check_data
@pytest.mark.slow
def test_check_data_lists_exactly_the_bad_files(tmp_path, good):
    folder = tmp_path / 'data'
    (folder / 'deep er').mkdir(parents=True)
    write_video(folder / 'deep er' / 'a.avi')
    os.rename(good[0], folder / 'a b.png')
    os.rename(good[1], folder / 'c.png')
    report, log = tmp_path / 'report.tsv', tmp_path / 'log'

    def check_data(*args):
        log.write_text('')
        return run(
            'check_data.py', *args, '--jobs', 2, '--output', report, log=log
        )

    assert check_data(folder) == 0, log.read_text()
    assert '0 of 3 files are bad' in log.read_text()
    assert report.read_text() == ''
    write_odd_image('truncated', folder / 'deep er' / 'b.jpg')
    write_odd_image('text', folder / 'c.mp4')
    swell(folder / 'bomb.avi')
    lines = [
        'a b.png 3',
        'c.mp4',
        'bomb.avi 1',
        'deep er/b.jpg 1 2',
        'deep er/a.avi',
        'gone.png',
    ]
    ann = tmp_path / 'list.txt'
    ann.write_text('\n'.join(lines))
    for args, bad in (
        ([folder], {'bomb.avi', 'c.mp4', 'b.jpg'}),
        ([ann, '--root', folder], {'bomb.avi', 'c.mp4', 'b.jpg', 'gone.png'}),
    ):
        assert check_data(*args) == 1, log.read_text()
        rows = [line.split('\t') for line in report.read_text().splitlines()]
        assert {os.path.basename(path) for path, _ in rows} == bad
        assert all(reason for _, reason in rows)
        assert all(path in log.read_text() for path, _ in rows)


def misbehave(path):
    if 'crash' in path:
        os.abort()
    if 'hang' in path:
        time.sleep(1000)
    if 'slow' in path:
        time.sleep(1)
    return 'is bad' if 'bad' in path else None


def check_misbehaving(out):
    import check_data

    paths = ['ok 1', 'crash 1', 'hang', 'bad', 'crash 2', 'ok 2', 'ok 3']
    found = dict(check_data.check_all(paths, 2, 2, misbehave))
    # As if nothing had run for 1000 seconds between two looks.
    seconds = itertools.count(step=1000)
    check_data.time = SimpleNamespace(monotonic=lambda: next(seconds))
    found |= check_data.check_all(['slow'], 1, 30, misbehave)
    with open(out, 'w') as file:
        json.dump(found, file)


def test_check_data_survives_what_a_file_does_to_its_reader(tmp_path):
    out, log = tmp_path / 'out', tmp_path / 'log'
    sys.path.append(str(TOOLS))
    try:
        job = start(check_misbehaving, str(out), log=log)
        job.join(120)
    finally:
        sys.path.remove(str(TOOLS))
    assert job.exitcode == 0, log.read_text()
    found = json.loads(out.read_text())
    assert len(found) == 8 and found['slow'] is None
    assert [found[f'ok {i}'] for i in (1, 2, 3)] == [None] * 3
    assert found['bad'] == 'is bad'
    assert found['hang'] == 'took more than 2 s'
    assert all('-6' in found[f'crash {i}'] for i in (1, 2))
