"""Sources from trees, lists, videos and the computer; bad files; splits."""

import hashlib
import os
import pickle
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.fileio import LocalBackend, register_backend
from natsort import natsorted
from PIL import Image

from mosi_mmaction import (
    DeadLeavesDataset,
    SourceImageDataset,
    config_path,
)
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.paths import (
    PathList,
    in_validation,
    read_list,
    scan_tree,
)
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves

LOAD = [dict(type='LoadSourceFrame')]
STEP = 20  # grey levels from one frame of a test video to the next


def write_image(path, level=128, size=16):
    """Write a flat image, so that its pixels tell which file it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = 'JPEG' if path.suffix.lower() in ('.jpg', '.jpeg') else 'PNG'
    Image.new('RGB', (size, size), (level,) * 3).save(path, kind)
    return path


def write_video(path, num_frames, first=10, size=32):
    """Write a video whose n-th frame has the grey level first + STEP n."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (size, size)
    )
    for n in range(num_frames):
        writer.write(np.full((size, size, 3), first + STEP * n, np.uint8))
    writer.release()
    return path


def write_frames(folder, num_frames):
    """Write extracted frames named 1.png ... in order of their level."""
    for n in range(num_frames):
        write_image(folder / f'{n + 1}.png', 10 + STEP * n)


def level(sample):
    return float(sample['img'].mean())


def frame(sample):
    """Return which frame of a test video the pixels show."""
    return round((level(sample) - 10) / STEP)


def at(index, epoch=0, seed=0):
    return EpochIndex(index, seed, epoch)


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


# ------------------------------------------------------------------ videos
@pytest.fixture
def videos(tmp_path):
    names = ['a b/x.AVI', 'a b/y.avi', 'ж.avi']
    for name in names:
        write_video(tmp_path / name, 10)
    return tmp_path


@pytest.mark.parametrize('kind', ['tree', 'list', 'frames', 'frames list'])
def test_another_frame_in_every_epoch(videos, kind):
    root, args = videos, {}
    if kind.startswith('frames'):
        root = videos / 'frames'
        for name in ('a b', 'c', 'd'):
            write_frames(root / name, 10)
        args = dict(frame_dirs=True)
        lines = ['a b 10 0', 'c 10 1', 'd 10 1']
    else:
        lines = ['a b/x.AVI 0', 'a b/y.avi 1', 'ж.avi 2']
    if kind.endswith('list'):
        (root / 'l.txt').write_text('\n'.join(lines))
        args['ann_file'] = 'l.txt'
    data = SourceImageDataset(str(root), pipeline=LOAD, **args)
    assert len(data) == 3
    key = 'frame_dir' if kind.startswith('frames') else 'filename'
    shown = {}
    for epoch in range(40):
        for i in range(3):
            sample = data[at(i, epoch)]
            assert sample[key].endswith(data.paths[i])
            assert 'img_path' not in sample
            assert frame(sample) == sample['frame_index']
            shown[epoch, i] = frame(sample)
    assert {frame(data[at(1, e)]) for e in range(40)} == {
        shown[e, 1] for e in range(40)
    }
    assert all(
        frame(data[at(i, e)]) == shown[e, i] for i in range(3) for e in (7, 3)
    )
    for i in range(3):
        per_epoch = [shown[e, i] for e in range(40)]
        assert set(per_epoch) == set(range(10))  # misses one: p < 0.15 %
        assert per_epoch != [shown[e, (i + 1) % 3] for e in range(40)]
    assert [frame(data[at(0, e, seed=1)]) for e in range(40)] != [
        shown[e, 0] for e in range(40)
    ]


def test_middle_frame_for_validation(videos):
    write_frames(videos / 'frames/k', 7)
    middle = [dict(type='LoadSourceFrame', frame='middle')]
    data = SourceImageDataset(
        str(videos / 'a b'), pipeline=middle, test_mode=True
    )
    assert [frame(data[i]) for i in range(2)] == [5, 5]
    folders = SourceImageDataset(
        str(videos / 'frames'), pipeline=middle, frame_dirs=True
    )
    assert frame(folders[0]) == 3


def test_images_and_videos_mixed(videos):
    write_image(videos / 'still.png', 222)
    data = SourceImageDataset(str(videos), pipeline=LOAD)
    samples = {data.paths[i]: data[at(i)] for i in range(4)}
    assert level(samples['still.png']) == 222
    assert frame(samples['ж.avi']) in range(10)


def test_a_video_for_the_image_loader_is_the_configs_mistake(videos):
    data = SourceImageDataset(
        str(videos),
        pipeline=[dict(type='LoadSourceImage')],
        max_bad_fraction=1,
    )
    with pytest.raises(ValueError, match='LoadSourceFrame') as error:
        data[0]
    assert not isinstance(error.value, BadSourceError)


class RemoteBackend(LocalBackend):
    """Files under ``far://`` that no plain open() would find."""

    root = None

    def _near(self, path):
        assert str(path).startswith('far://'), path
        return str(path).replace('far:/', str(self.root), 1)

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
@pytest.mark.parametrize('backend', ['local', 'mosi_test_remote'])
def test_files_through_a_backend(tmp_path, args, backend):
    write_image(tmp_path / 'all/a 1.png', 10)
    write_video(tmp_path / 'all/b/v.avi', 1)
    write_frames(tmp_path / 'frames/f 2', 1)
    (tmp_path / 'all/l.txt').write_text('a 1.png 3\nb/v.avi 4\n')
    register_backend('mosi_test_remote', RemoteBackend, force=True)
    RemoteBackend.root = tmp_path
    if backend == 'local':
        args = {
            **args,
            'data_root': args['data_root'].replace('far:/', str(tmp_path)),
        }
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


def test_missing_or_empty_folder_of_frames_is_a_bad_source(tmp_path):
    for i in range(20):
        write_frames(tmp_path / str(i), 1)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'l.txt').write_text(
        ''.join(f'{i} 1 0\n' for i in range(20)) + 'gone 1 0\nempty 1 0\n'
    )
    args = dict(ann_file='l.txt', frame_dirs=True, pipeline=LOAD)
    data = SourceImageDataset(str(tmp_path), **args)
    assert frame(data[at(20)]) == frame(data[at(21)]) == 0
    strict = SourceImageDataset(str(tmp_path), bad_files='raise', **args)
    for i, name in ((20, 'gone'), (21, 'empty')):
        with pytest.raises(BadSourceError, match=name):
            strict[at(i)]


# -------------------------------------------------------------- dead leaves
def test_dead_leaves_are_a_function_of_seed_and_index():
    some = DeadLeavesDataset(3, 24, seed=4)
    more = DeadLeavesDataset(30, 24, seed=4, test_mode=True)
    images = [some[at(i, epoch=i)]['img'] for i in range(3)]
    for i, image in enumerate(images):
        assert image.dtype == np.uint8 and image.shape == (24, 24, 3)
        np.testing.assert_array_equal(image, more[i]['img'])
        np.testing.assert_array_equal(image, some[at(i, 9, 9)]['img'])
    every = [
        DeadLeavesDataset(8, 24, seed=s)[i]['img'].tobytes()
        for s in (0, 1)
        for i in range(8)
    ]
    assert len(set(every)) == 16


@pytest.mark.parametrize('size', [8, 64, 320])
def test_dead_leaves_leave_no_part_flat(size, rng):
    for _ in range(3):
        image = draw_dead_leaves(size, rng).astype(float).mean(2)
        side = max(size // 4, 8)
        corners = range(0, size - side + 1, side)
        assert (
            min(
                image[y : y + side, x : x + side].std()
                for y in corners
                for x in corners
            )
            > 2
        )
    assert 60 < image.mean() < 195


@pytest.mark.parametrize('args', [(0, 64), (4, 7), (-1, 64)])
def test_dead_leaves_of_no_size(args):
    with pytest.raises(ValueError, match='at least'):
        DeadLeavesDataset(*args)


def test_scan_of_frame_folders(tmp_path):
    for name in ('v10/1.png', 'v9/1.JPG', 'v9/sub/1.png', 'v9/clip.mp4'):
        write_image(tmp_path / name)
    assert list(scan_tree(str(tmp_path), frame_dirs=True)) == [
        'v9',
        'v9/sub',
        'v10',
    ]
    assert list(scan_tree(str(tmp_path))) == [
        'v9/1.JPG',
        'v9/clip.mp4',
        'v9/sub/1.png',
        'v10/1.png',
    ]
