"""Lists as other programs write them: read, or the cause is named."""

import codecs
from types import SimpleNamespace

import pytest
from mmaction.registry import DATASETS

from mosi_mmaction import CheckLabelsHook
from mosi_mmaction.apis.videos import find_videos
from mosi_mmaction.datasets import (
    ActionVideoDataset,
    EpochIndex,
    SourceImageDataset,
    source_image,
)

FILES = ('a/x 1.avi', 'b/y.avi', 'b/z.avi')


@pytest.fixture
def root(tmp_path):
    root = tmp_path / 'my videos'
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def actions(ann_file, root, **kwargs):
    dataset = ActionVideoDataset(
        str(ann_file), [], data_prefix=dict(video=str(root)), **kwargs
    )
    return [
        (dataset.path_of(i), dataset.get_data_info(i)['label'])
        for i in range(len(dataset))
    ]


def written(tmp_path, text, encoding='utf-8'):
    path = tmp_path / 'list.txt'
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
@pytest.mark.parametrize('mark', [b'', codecs.BOM_UTF8])
def test_marks_and_line_ends(root, tmp_path, end, mark):
    lines = [f'{name} {i}' for i, name in enumerate(FILES)]
    path = tmp_path / 'list.txt'
    path.write_bytes(mark + end.join([*lines, '']).encode())
    there = [str(root / name) for name in FILES]
    assert actions(path, root) == list(zip(there, range(3)))
    sources = SourceImageDataset(str(root), str(path), pipeline=[])
    assert [sources.path_of(i) for i in range(3)] == there
    found = find_videos([str(path)], str(root))
    assert found == list(zip(there, '012'))


@pytest.mark.parametrize(
    'line, cause',
    [
        (r'b\y.avi 1', 'backslashes'),
        ('"b/y.avi" 1', 'quotes'),
        ("'b/y.avi' 1", 'quotes'),
        ('b/y.avi 300 1', 'number of frames'),
        ('b/y.avi, 1', 'delimiter'),
        ('my videos/b/y.avi 1', 'Leave the prefix out'),
    ],
)
def test_cause_of_paths_that_are_not_there(
    root, tmp_path, line, cause, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, f'{line}\n' * 20)
    with pytest.raises(ValueError, match=cause) as error:
        actions(path, root)
    assert str(path) in str(error.value)
    if 'frames' not in cause:  # images may have both integers
        with pytest.raises(ValueError, match=cause):
            SourceImageDataset(str(root), str(path), pipeline=[])


def test_single_files_that_are_missing_are_for_the_policy(root, tmp_path):
    """Nothing is said of the list where some are there, or none ever was."""
    path = written(tmp_path, 'b/y.avi 0\n"b/z.avi" 1\n')
    assert len(actions(path, root)) == 2
    path = written(tmp_path, 'gone/y.avi 0\ngone/z.avi 1\n')
    assert len(actions(path, root)) == 2


@pytest.mark.parametrize('encoding', ['utf-16', 'cp1252'])
def test_other_encodings_are_named(root, tmp_path, encoding):
    path = written(tmp_path, 'b/é.avi 1\n', encoding)
    with pytest.raises(ValueError, match='line 1: not UTF-8.*save the list'):
        actions(path, root)


def test_class_balanced_keeps_the_streams(root, tmp_path):
    labels = [0] * 9 + [1]
    lines = [f'b/{i}.avi {label}\n' for i, label in enumerate(labels)]
    dataset = DATASETS.build(
        dict(
            type='ClassBalancedDataset',
            oversample_thr=0.9,
            dataset=dict(
                type='ActionVideoDataset',
                ann_file=str(written(tmp_path, ''.join(lines))),
                data_prefix=dict(video=str(root)),
                pipeline=[],
            ),
        )
    )
    # A class of a tenth is repeated sqrt(0.9 / 0.1) = 3 times.
    assert [dataset.get_cat_ids(i) for i in range(12)] == [[0]] * 9 + [[1]] * 3
    samples = [dataset[EpochIndex(i, 7, 3)] for i in range(12)]
    names = [sample['filename'] for sample in samples]
    assert names == [str(root / f'b/{min(i, 9)}.avi') for i in range(12)]
    # Every visit has the stream of its own place in the epoch.
    draws = [sample['rng'].random() for sample in samples]
    assert draws == [EpochIndex(i, 7, 3).rng().random() for i in range(12)]
    # A label beyond the head is found behind the wrapper, too.
    loader = SimpleNamespace(dataset=dataset)
    loop = SimpleNamespace(dataloader=loader, max_iters=1)
    runner = SimpleNamespace(train_loop=loop)
    runner.model = SimpleNamespace(cls_head=SimpleNamespace(num_classes=1))
    with pytest.raises(ValueError, match='has the label 1'):
        CheckLabelsHook().before_train(runner)
    runner.model.cls_head.num_classes = 2
    CheckLabelsHook().before_train(runner)


def test_kinds_of_files_that_are_left_out_are_counted(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(
        source_image, 'print_log', lambda text, *_: said.append(text)
    )
    for name in ('a.jpg', 'b/c.heic', 'b/d.HEIC', 'e', '.f.heic', 'g.vob'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sources = SourceImageDataset(str(tmp_path), pipeline=[])
    assert list(sources.paths) == ['a.jpg', 'g.vob']
    assert '2 .heic, 1 without extension left out' in said[0]
    with pytest.raises(ValueError, match=r'what was found: 2 \.heic'):
        SourceImageDataset(str(tmp_path / 'b'), pipeline=[])
