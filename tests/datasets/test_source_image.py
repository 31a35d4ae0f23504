"""Sources from trees, lists, videos and the computer; bad files; splits."""

import hashlib
import os
import pickle
from contextlib import contextmanager

import pytest
from mmaction.registry import DATASETS
from mmengine.fileio import LocalBackend, register_backend
from natsort import natsorted

from helpers.sources import (
    LOAD,
    level,
    write_frames,
    write_image,
    write_video,
)
from mosi_mmaction import (
    DeadLeavesDataset,
    SourceImageDataset,
)
from mosi_mmaction.media.paths import (
    PathList,
    in_validation,
    read_list,
)

# ------------------------------------------------------------------- trees
ODD_NAMES = [
    'a b/фото 写真.PNG',
    'img2.jpg',
    'img10.JPG',
    '#x, y.Jpeg',
    'b/9.png',
    'b/10.png',
    'deep/er/im age.png',
    'quote\'".png',
    'percent %20.png',
]


def test_tree_is_read_in_natural_order_whatever_the_names(tmp_path):
    levels = {name: 20 + 25 * i for i, name in enumerate(ODD_NAMES)}
    for name, value in levels.items():
        write_image(tmp_path / name, value)
    for name in ('notes.txt', 'list', '.hidden.png', 'a b/.x/img.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('no image')
    data = SourceImageDataset(str(tmp_path), pipeline=LOAD)
    assert list(data.paths) == natsorted(ODD_NAMES)
    order = [n for n in data.paths if n in ('img2.jpg', 'img10.JPG')]
    assert order == ['img2.jpg', 'img10.JPG']
    assert list(data.paths).index('b/9.png') + 1 == list(data.paths).index(
        'b/10.png'
    )
    for i, name in enumerate(data.paths):
        sample = data[i]
        assert sample['img_path'] == str(tmp_path / name)
        assert level(sample) == pytest.approx(levels[name], abs=2)


@pytest.mark.parametrize('frame_dirs', [True, False])
def test_names_that_are_equal_in_natural_order(tmp_path, frame_dirs):
    names = [f'v{"0" * n}1.d' for n in range(6, -1, -1)]
    for name in reversed(names):
        write_frames(tmp_path / name, 1)
    data = SourceImageDataset(str(tmp_path), frame_dirs=frame_dirs)
    # A set of strings has another order in every process.
    assert [path.partition('/')[0] for path in data.paths] == names


def test_names_that_are_not_unicode(tmp_path):
    name = b'caf\xe9.png'
    try:
        write_image(tmp_path / 'x.png', 70).rename(
            os.fsdecode(os.fsencode(tmp_path) + b'/' + name)
        )
    except OSError:
        pytest.skip('this file system takes Unicode only')
    data = SourceImageDataset(str(tmp_path), pipeline=LOAD)
    assert [os.fsencode(p) for p in data.paths] == [name]
    assert level(data[0]) == 70


def test_path_list_is_a_list():
    paths = ['a', '', 'ж/ \udce9', 'b' * 300]
    held = pickle.loads(pickle.dumps(PathList(iter(paths))))
    assert list(held) == paths
    assert [held[i] for i in range(-4, 0)] == paths
    assert len(held) == 4
    for index in (4, -5):
        with pytest.raises(IndexError):
            held[index]
    assert list(PathList([])) == []


def test_registered_names_and_metainfo(tmp_path):
    write_image(tmp_path / 'a.png')
    data = DATASETS.build(
        dict(
            type='SourceImageDataset',
            data_root=str(tmp_path),
            metainfo=dict(name='mine'),
        )
    )
    assert data.metainfo == {'name': 'mine'}
    assert len(data) == 1
    assert DATASETS.get('DeadLeavesDataset') is DeadLeavesDataset


# ------------------------------------------------------------------- lists
def test_list_lines(tmp_path):
    there = [
        'a.png',
        'b c.png',
        '#lead.png',
        'comma, name.png',
        'as it stands.png 5',
        'run 12/1.png',
        'walk/1.png',
        'ж ф.png',
        'two 3 4/1.png',
    ]
    for name in there:
        write_image(tmp_path / name)
    lines = {
        'a.png': 'a.png',
        'b c.png 3': 'b c.png',
        '#lead.png': '#lead.png',
        '#lead.png 0': '#lead.png',
        'comma, name.png\t17  ': 'comma, name.png',
        'as it stands.png 5': 'as it stands.png 5',
        'run 12 16 3': 'run 12',  # a folder, its frames, its label
        'walk 16 3': 'walk',
        'two 3 4 16 0': 'two 3 4',
        'ж ф.png -1': 'ж ф.png',
        'gone.png 4': 'gone.png',  # found missing when it is loaded
        'gone too.png': 'gone too.png',
        'gone 16 3': 'gone',
    }
    for end in ('\n', '\r\n'):
        text = f'{end}  {end}'.join(lines)  # without an end of the last
        (tmp_path / 'list.txt').write_bytes(text.encode())
        assert list(
            read_list(str(tmp_path / 'list.txt'), str(tmp_path))
        ) == list(lines.values())


@pytest.mark.parametrize(
    'raw, reason',
    [
        (b'a.png 1\n\nb\0c.png 2\n', 'NUL'),
        ('a.png\r\n\r\nж.png\r\n'.encode('cp1251'), 'UTF-8'),
    ],
)
def test_a_line_that_is_no_text_is_named(tmp_path, raw, reason):
    (tmp_path / 'list.txt').write_bytes(raw)
    with pytest.raises(ValueError, match=rf'list\.txt, line 3: .*{reason}'):
        SourceImageDataset(str(tmp_path), ann_file='list.txt')


def test_list_below_data_root_or_as_it_stands(tmp_path, monkeypatch):
    for name in ('data/in/x.png', 'data/in/y.png'):
        write_image(tmp_path / name)
    (tmp_path / 'data/own.txt').write_text('x.png 1\n')
    (tmp_path / 'there.txt').write_text('y.png 0\n')
    monkeypatch.chdir(tmp_path)
    for ann_file, name in (
        ('own.txt', 'x.png'),
        ('there.txt', 'y.png'),
        (str(tmp_path / 'there.txt'), 'y.png'),
    ):
        data = SourceImageDataset(
            'data', ann_file, data_prefix='in', pipeline=LOAD
        )
        assert list(data.paths) == [name]
        assert data[0]['img_path'] == f'data/in/{name}'
    with pytest.raises(FileNotFoundError, match=r"'gone\.txt'.*'data'"):
        SourceImageDataset('data', 'gone.txt')


# ------------------------------------------------------------------- split
def test_split_is_a_hash_of_the_relative_path(tmp_path):
    names = [f'd{i % 3}/{i} x.png' for i in range(60)]
    for name in names:
        write_image(tmp_path / name)

    def split(which, root=tmp_path, fraction=0.3):
        return set(
            SourceImageDataset(
                str(root), split=which, val_fraction=fraction
            ).paths
        )

    train, val = split('train'), split('val')
    assert train | val == set(names) and not train & val
    assert val == {
        n
        for n in names
        if int(hashlib.blake2b(n.encode(), digest_size=8).hexdigest(), 16)
        < 0.3 * 2**64
    }
    # More files move none, nor does the place of the folder.
    for i in range(60, 100):
        write_image(tmp_path / f'd{i % 3}/{i} x.png')
    assert split('train') & set(names) == train
    assert split('val') & set(names) == val
    moved = tmp_path.with_name(tmp_path.name + ' moved')
    tmp_path.rename(moved)
    assert split('val', moved) & set(names) == val
    assert split('val', moved, 0.5) > split('val', moved)
    assert len(split(None, moved)) == 100
    moved.rename(tmp_path)


def test_split_of_a_list_is_that_of_the_tree(tmp_path):
    names = [f'{i}.png' for i in range(40)]
    for name in names:
        write_image(tmp_path / name)
    (tmp_path / 'list.txt').write_text(
        ''.join(f'{n} {i}\n' for i, n in enumerate(names))
    )
    for split in ('train', 'val'):
        of_list, of_tree = (
            list(
                SourceImageDataset(
                    str(tmp_path), ann_file, split=split, val_fraction=0.4
                ).paths
            )
            for ann_file in ('list.txt', '')
        )
        assert of_list == of_tree


@pytest.mark.parametrize('fraction', [0.02, 0.1, 0.5])
def test_split_has_the_asked_share(fraction):
    held = sum(
        in_validation(f'n{i:05}/x{i}.JPEG', fraction) for i in range(20000)
    )
    sigma = (20000 * fraction * (1 - fraction)) ** 0.5
    assert abs(held - 20000 * fraction) < 4 * sigma


class RemoteBackend(LocalBackend):
    """Files below ``far`` that no plain open() would find.

    Backends also map paths that look local, as Petrel's ``path_mapping``.
    """

    root = None

    def _near(self, path):
        assert str(path).startswith(('far://', 'far/')), path
        return (
            str(path)
            .replace('far:/', 'far', 1)
            .replace('far', str(self.root), 1)
        )

    def get(self, filepath):
        return super().get(self._near(filepath))

    @contextmanager
    def get_local_path(self, filepath):
        yield self._near(filepath)

    def exists(self, filepath):
        return super().exists(self._near(filepath))

    def isdir(self, filepath):
        return super().isdir(self._near(filepath))

    def list_dir_or_file(self, dir_path, *args):
        return super().list_dir_or_file(self._near(dir_path), *args)


@pytest.mark.parametrize(
    'args',
    [
        dict(data_root='far://all'),
        dict(data_root='far://all', ann_file='l.txt'),
        dict(data_root='far://frames', frame_dirs=True),
    ],
)
@pytest.mark.parametrize('backend', ['local', 'remote', 'mapped'])
def test_files_through_a_backend(tmp_path, args, backend):
    write_image(tmp_path / 'all/a 1.png', 10)
    write_video(tmp_path / 'all/b/v.avi', 1)
    write_frames(tmp_path / 'frames/f 2', 1)
    (tmp_path / 'all/l.txt').write_text('a 1.png 3\nb/v.avi 4\n')
    register_backend('mosi_test_remote', RemoteBackend, force=True)
    RemoteBackend.root = tmp_path
    if backend != 'remote':
        root = str(tmp_path) if backend == 'local' else 'far'
        args = {**args, 'data_root': args['data_root'].replace('far:/', root)}
    if backend != 'local':
        backend = 'mosi_test_remote'
    data = SourceImageDataset(
        **args,
        backend_args=dict(backend=backend),
        pipeline=LOAD,
        bad_files='raise',
    )
    assert list(data.paths) == (
        ['f 2'] if 'frames' in args['data_root'] else ['a 1.png', 'b/v.avi']
    )
    for i in range(len(data)):
        assert level(data[i]) == pytest.approx(10, abs=2)


# ------------------------------------------------------- wrong and missing
def test_wrong_folder_says_where_to_set_it(tmp_path):
    gone = str(tmp_path / 'not here')
    with pytest.raises(FileNotFoundError, match='not here.*MOSI_DATA'):
        SourceImageDataset(gone)


def test_zero_sources(tmp_path):
    (tmp_path / 'x.txt').write_text('')
    for args in (dict(), dict(ann_file='x.txt'), dict(frame_dirs=True)):
        with pytest.raises(ValueError, match='no source') as error:
            SourceImageDataset(str(tmp_path), **args)
        assert str(args.get('ann_file', tmp_path)) in str(error.value)
    write_image(tmp_path / 'one.png')
    splits = []
    for split in ('train', 'val'):
        try:
            splits.append(len(SourceImageDataset(str(tmp_path), split=split)))
        except ValueError as error:
            assert f"split='{split}'" in str(error)
    assert splits == [1]


@pytest.mark.parametrize(
    'args',
    [
        dict(split='test'),
        dict(val_fraction=0),
        dict(val_fraction=1),
        dict(bad_files='ignore'),
        dict(max_bad_fraction=1.5),
        dict(max_bad_fraction=-0.1),
    ],
)
def test_arguments_out_of_range(tmp_path, args):
    write_image(tmp_path / 'a.png')
    with pytest.raises(ValueError, match=next(iter(args))):
        SourceImageDataset(str(tmp_path), **args)
