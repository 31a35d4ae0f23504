"""A preset over a few images and videos, made here."""

import cv2
import numpy as np
import pytest

from helpers.paths import TOOLS
from mosi_mmaction.media.paths import in_validation
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves
from mosi_mmaction.synthetic.write import write_action_videos


@pytest.fixture(autouse=True)
def _tools_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))


@pytest.fixture(scope='module')
def micro(tmp_path_factory):
    """24 images, 8 + 4 videos of two classes; options that name them."""
    root = tmp_path_factory.mktemp('micro')
    images = root / 'images'
    images.mkdir()
    for i in range(24):
        image = draw_dead_leaves(64, np.random.default_rng(i))
        cv2.imwrite(str(images / f'{i:02d}.png'), image)
    held_out = [in_validation(f'{i:02d}.png', 0.1) for i in range(24)]
    assert 0 < sum(held_out) < 14, 'the fixture needs both parts'
    videos = root / 'videos'
    for split, num in (('train', 4), ('test', 2)):
        write_action_videos(
            videos, num, split, num_frames=20, actions=('circle', 'zoom')
        )
    return dict(images=images, videos=videos, splits=videos)


@pytest.fixture
def tiny(micro, tmp_path):
    """A tiny preset over the micro data, 2 seeds."""
    from mosi_mmaction.reproduction.preset_tiny import Tiny

    return Tiny(**micro, root=tmp_path / 'runs', seeds=2, epochs=(2, 12))
