"""Files that cannot be read: replaced, listed, or the end of the run."""

import logging
import os

import pytest
from mmengine.config import Config

from helpers.sources import LOAD, at, level, write_image
from mosi_mmaction import (
    ActionVideoDataset,
    SourceImageDataset,
    config_path,
)
from mosi_mmaction.datasets import bad_files
from mosi_mmaction.media.errors import BadSourceError


# --------------------------------------------------------------- bad files
def with_bad(root, bad, count=20):
    """Write ``count`` images of different levels, those of ``bad`` cut."""
    for i in range(count):
        path = write_image(root / f'{i}.png', 10 + 10 * i)
        if i in bad:
            path.write_bytes(path.read_bytes()[:45])
    return str(root)


def test_bad_file_is_replaced_by_any_other(tmp_path, caplog):
    data = SourceImageDataset(with_bad(tmp_path, {3}), pipeline=LOAD)
    seen = [round((level(data[at(3, e)]) - 10) / 10) for e in range(60)]
    assert 3 not in seen
    assert len(set(seen)) > 12  # of 19, uniformly; a neighbour would be 1
    assert round(level(data[at(4)])) == 50


def test_replacement_does_not_depend_on_who_found_the_file_bad(tmp_path):
    pipeline = [
        dict(type='SeedSample'),
        *LOAD,
        dict(type='CropSource', size=16),
    ]
    root = with_bad(tmp_path, {3, 8, 11, 12})

    def dataset():
        return SourceImageDataset(
            root, pipeline=pipeline, max_bad_fraction=0.5
        )

    visits = [at(i, e, 5) for e in range(12) for i in (3, 8, 11, 12)]
    first = dataset()
    told = [level(first[v]) for v in visits]
    other = dataset()
    assert [level(other[v]) for v in reversed(visits)] == told[::-1]
    for i, v in enumerate(visits):
        assert level(dataset()[v]) == told[i]
    assert len(set(told)) > 6


def test_what_one_copy_finds_bad_counts_for_all(tmp_path):
    data = SourceImageDataset(with_bad(tmp_path, {3, 4, 5}), pipeline=LOAD)
    pid = os.fork()
    if not pid:  # a worker
        try:
            data[at(3)]
            data[at(4)]
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(BadSourceError, match='3 of 20'):
        data[at(5)]


def listed(error):
    """Return the files an error lists, one a line."""
    lines = str(error.value).splitlines()[1:]
    return [line.strip() for line in lines if line.endswith('.png')]


def test_too_many_bad_files_stop_with_their_list(tmp_path):
    data = SourceImageDataset(
        with_bad(tmp_path, {2, 7, 9}), pipeline=LOAD, max_bad_fraction=0.1
    )
    data[at(2)], data[at(7)]
    with pytest.raises(
        BadSourceError, match=r'3 of 20.*max_bad_fraction=0.1'
    ) as error:
        data[at(9)]
    assert [p.rpartition('/')[2] for p in listed(error)] == [
        '2.png',
        '7.png',
        '9.png',
    ]


def test_the_list_of_bad_files_has_an_end(tmp_path):
    data = SourceImageDataset(
        with_bad(tmp_path, range(24), 24), pipeline=LOAD, max_bad_fraction=1
    )
    with pytest.raises(BadSourceError, match='24 of 24.*') as error:
        data[at(0)]
    assert len(set(listed(error))) == 20
    assert '4 more' in str(error.value)


def videos_elsewhere(tmp_path, **args):
    """Twenty listed videos, looked for below a directory without them."""
    (tmp_path / 'list.txt').write_text(
        ''.join(f'run/{i}.avi {i % 2}\n' for i in range(20))
    )
    return ActionVideoDataset(
        str(tmp_path / 'list.txt'),
        pipeline=[dict(type='VideoInit')],
        data_prefix=dict(video=str(tmp_path / 'photos')),
        **args,
    )


@pytest.mark.parametrize('args', [{}, dict(bad_files='raise')])
def test_files_that_are_not_there_cast_doubt_on_the_directory(tmp_path, args):
    data = videos_elsewhere(tmp_path, **args)
    with pytest.raises(BadSourceError) as error:
        for i in range(3):
            data[at(i)]
    text = str(error.value)
    assert f'below {str(tmp_path / "photos")!r}' in text
    assert 'Is the directory right?' in text and 'MOSI_DATA' in text
    assert f'{tmp_path}/photos/run/' in text  # what was looked for
    assert 'emove' not in text and 'check_data' not in text


def test_a_list_of_images_that_are_not_there(tmp_path):
    (tmp_path / 'list.txt').write_text('a.jpg\nb.jpg\n')
    data = SourceImageDataset(str(tmp_path), 'list.txt', pipeline=LOAD)
    with pytest.raises(BadSourceError, match='Is the directory right.*list'):
        data[at(0)]


def test_damaged_files_cast_none(tmp_path):
    root = with_bad(tmp_path, {2, 7, 9, 11})
    data = SourceImageDataset(root, pipeline=LOAD, max_bad_fraction=0.15)
    (tmp_path / '11.png').unlink()
    for i in (11, 2, 7):
        data[at(i)]
    with pytest.raises(BadSourceError, match='Remove or repair') as error:
        data[at(9)]
    assert 'directory' not in str(error.value)


def test_a_skipped_file_is_a_warning_of_the_first_rank(tmp_path, monkeypatch):
    """Of the others, MMEngine shows only errors."""
    told = []
    monkeypatch.setattr(
        bad_files, 'print_log', lambda *args: told.append(args)
    )
    root = with_bad(tmp_path, {3, 4})
    data = SourceImageDataset(root, pipeline=LOAD)
    data[at(3)]
    monkeypatch.setattr(bad_files, 'get_rank', lambda: 1)
    data[at(4)]
    assert [level for *_, level in told] == [logging.WARNING, logging.ERROR]


@pytest.mark.parametrize(
    'args', [dict(bad_files='raise'), dict(test_mode=True)]
)
def test_bad_file_raises(tmp_path, args):
    data = SourceImageDataset(with_bad(tmp_path, {3}), pipeline=LOAD, **args)
    with pytest.raises(BadSourceError, match=r'3\.png'):
        data[at(3)]
    assert level(data[at(2)]) == 30


def test_held_out_files_may_be_skipped_if_that_is_asked_for(tmp_path):
    args = dict(pipeline=LOAD, test_mode=True, bad_files='skip')
    root = with_bad(tmp_path, {3})
    data, again = (
        SourceImageDataset(root, **args),
        SourceImageDataset(root, **args),
    )
    found = level(data[at(3)])
    assert found != 40 and found == level(data[at(3)]) == level(again[at(3)])
    for name in ('mosi_r2p1d_imagenet', 'tiny/mosi_r2p1d_images'):
        cfg = Config.fromfile(config_path(name))
        assert cfg.val_dataloader.dataset.bad_files == 'skip'
        assert cfg.train_dataloader.dataset.get('bad_files') is None


def test_other_errors_are_not_skipped(tmp_path):

    def broken(results):
        raise ValueError('a mistake of ours')

    data = SourceImageDataset(
        with_bad(tmp_path, set(), 3), pipeline=[broken], max_bad_fraction=1
    )
    with pytest.raises(ValueError, match='of ours'):
        data[at(0)]


def test_missing_file_of_a_list_is_a_bad_file(tmp_path):
    with_bad(tmp_path, set())
    (tmp_path / 'l.txt').write_text(
        ''.join(f'{i}.png 0\n' for i in range(20)) + 'gone.png 0\n'
    )
    args = dict(ann_file='l.txt', pipeline=LOAD)
    assert level(SourceImageDataset(str(tmp_path), **args)[at(20)]) >= 10
    with pytest.raises(BadSourceError, match='gone.png'):
        SourceImageDataset(str(tmp_path), bad_files='raise', **args)[at(20)]
