"""Left and right in the names of classes, and flipped clips."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmengine.config import Config

from mosi_mmaction import config_path, set_videos
from mosi_mmaction.config import finetuning
from mosi_mmaction.config.mirror import mirror_map, mirrored, sided

NAMES = ['wave left', 'wave right', 'jump']


@pytest.mark.parametrize(
    'name, other',
    [
        ('left', 'right'),
        ('turn_Right', 'turn_Left'),
        ('turnLeft', 'turnRight'),
        ('RIGHT-HAND', 'LEFT-HAND'),
        ('left_to_right', 'right_to_left'),
        ('left2', 'right2'),
        ('bright', 'bright'),
        ('leftovers', 'leftovers'),
        ('upright', 'upright'),
    ],
)
def test_names_in_a_mirror(name, other):
    assert mirrored(name) == other
    assert mirrored(other) == name


def test_labels_in_a_mirror():
    assert sided(NAMES) == NAMES[:2]
    assert mirror_map(NAMES) == {0: 1, 1: 0}
    with pytest.raises(ValueError, match="no class 'wave right'"):
        mirror_map(['jump', 'wave left'])


@pytest.fixture
def lists(tmp_path):
    (tmp_path / 'train.txt').write_text('a.avi 0\n')
    (tmp_path / 'test.txt').write_text('b.avi 1\n')
    (tmp_path / 'classes.txt').write_text('\n'.join(NAMES) + '\n')
    return str(tmp_path)


def config(lists, tmp_path, **kwargs):
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
    set_videos(cfg._cfg_dict, 'videos', lists, **kwargs)
    # As it is written and read again.
    cfg.dump(tmp_path / 'dumped.py')
    cfg = Config.fromfile(tmp_path / 'dumped.py')
    steps = cfg.train_dataloader.dataset.pipeline
    return [step for step in steps if step.type == 'Flip']


def test_no_flip(lists, tmp_path):
    assert config(lists, tmp_path, flip=False) == []


def test_swapped_labels_follow_the_pixels(lists, tmp_path):
    (step,) = config(lists, tmp_path, flip='swap')
    flip = TRANSFORMS.build({**step, 'flip_ratio': 1.0})
    frame = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    for label, other in ((0, 1), (1, 0), (2, 2)):
        results = dict(
            imgs=[frame.copy()], label=label, modality='RGB', img_shape=(2, 2)
        )
        results = flip(results)
        np.testing.assert_array_equal(results['imgs'][0], frame[:, ::-1])
        assert results['label'] == other


@pytest.mark.parametrize('flip, warned', [(None, True), (True, False)])
def test_warning(flip, warned, lists, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(
        finetuning, 'print_log', lambda text, *_: told.append(text)
    )
    assert len(config(lists, tmp_path, flip=flip)) == 1
    assert len(told) == warned
    assert all("flip='swap'" in text for text in told)


def test_wrong_value(lists, tmp_path):
    with pytest.raises(ValueError, match="allowed are True, False, 'swap'"):
        config(lists, tmp_path, flip='yes')
