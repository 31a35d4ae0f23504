"""The scripts that remake the pictures of the docs."""

import json
import sys

import numpy as np
import pytest

from helpers.paths import DOCS

sys.path.insert(0, str(DOCS / 'pictures'))

import make  # noqa: E402
import one_image  # noqa: E402


def test_videos_are_chosen_by_their_rank(tmp_path):
    aucs = [0.5, 0.9, None, 0.1, 0.7, 0.3, 0.8]
    videos = [
        dict(video=f'{n}.mp4', framing='as filmed', auc=auc)
        for n, auc in enumerate(aucs)
    ]
    videos.append(dict(video='9.mp4', framing='re-framed', auc=1.0))
    (tmp_path / 'report.json').write_text(json.dumps(dict(videos=videos)))
    chosen = make.from_best_to_worst(tmp_path / 'report.json', 3)
    assert chosen[0] == '1.mp4' and chosen[-1] == '3.mp4'
    assert chosen[1] in ('4.mp4', '0.mp4')  # in the middle of six


def test_windows_have_colours_of_their_own():
    colors = np.array(list(one_image.COLORS.values()), int)
    plan = one_image.draw_plan(one_image.SEED)[1]
    assert set(one_image.COLORS) == set(plan.pool.names)
    apart = abs(colors[:, None] - colors[None]).max(-1)
    assert (apart + 255 * np.eye(9, dtype=int)).min() >= 60
    # Their numbers, 14 pixels high and 15 wide, do not cover each other.
    assert one_image.apart(one_image.SEED) > 12


@pytest.mark.parametrize('path', sorted((DOCS / 'pictures').glob('*.gif')))
def test_animations_are_small(path):
    assert path.stat().st_size < 2_000_000
