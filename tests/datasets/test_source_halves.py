"""Directories that are halves already, and those that need no list."""

import cv2
import numpy as np
import pytest

from mosi_mmaction import SourceImageDataset
from mosi_mmaction.media.paths import given_halves, scan_tree


def write(root, *names):
    picture = np.zeros((8, 8, 3), np.uint8)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)


def paths(root, split, **kwargs):
    dataset = SourceImageDataset(str(root), split=split, pipeline=[], **kwargs)
    return list(dataset.paths)


def test_given_halves_are_taken(tmp_path):
    train = [f'train/a/{i}.png' for i in range(9)]
    write(tmp_path, *train, 'val/a/9.png', 'Test/b/1.png')
    assert paths(tmp_path, 'train') == train
    assert paths(tmp_path, 'val') == ['val/a/9.png']
    assert len(paths(tmp_path, None)) == 11
    (tmp_path / 'val/a/9.png').unlink()
    (tmp_path / 'val/a').rmdir()
    (tmp_path / 'val').rmdir()
    assert paths(tmp_path, 'val') == ['Test/b/1.png']


def test_other_directories_are_split_by_hash(tmp_path):
    names = [f'train/{i}.png' for i in range(30)]
    write(tmp_path, *names, 'loose.png')
    both = [paths(tmp_path, s, val_fraction=0.5) for s in ('train', 'val')]
    assert sorted(sum(both, [])) == sorted([*names, 'loose.png'])
    assert all(len(half) > 5 for half in both)
    assert given_halves(['train/1.png', 'train/2.png']) == {}
    assert given_halves(['train/1.png', 'x/2.png']) == {}


def test_a_directory_where_lists_are_expected(tmp_path):
    write(tmp_path, 'a.png', 'b/c.png')
    with pytest.raises(FileNotFoundError) as error:
        SourceImageDataset(
            str(tmp_path), 'hmdb51_train.txt', 'videos', pipeline=[]
        )
    assert 'is a directory of photographs' in str(error.value)
    assert 'mosi_r2p1d_imagenet' in str(error.value)
    with pytest.raises(FileNotFoundError) as error:
        SourceImageDataset(str(tmp_path / 'no'), 'list.txt', pipeline=[])
    assert 'photographs' not in str(error.value)


def test_loops_of_links_end(tmp_path):
    write(tmp_path, 'a/1.png', 'b/2.png')
    (tmp_path / 'a/up').symlink_to(tmp_path)
    (tmp_path / 'c').symlink_to(tmp_path / 'b')
    found = list(scan_tree(str(tmp_path)))
    assert found[:3] == ['a/1.png', 'b/2.png', 'c/2.png']
    assert len(found) == 3
