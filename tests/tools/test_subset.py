"""Tests of tools/data/subset.py."""

from collections import Counter

import pytest

from helpers.paths import TOOLS, load_tool
from mosi_mmaction.media.paths import IMAGE_EXTENSIONS

TOOLS = TOOLS / 'data'


prepare = load_tool('data/prepare')
subset = load_tool('data/subset')


def touch(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def run(name, tmp_path, *options, splits=None):
    return prepare.main(
        [
            name,
            '--splits',
            str(splits or tmp_path / 'splits'),
            '--videos',
            str(tmp_path / 'videos'),
            '--out',
            str(tmp_path / 'out'),
            *options,
        ]
    )


# Subsets --------------------------------------------------------------------


@pytest.fixture
def images(tmp_path):
    root = tmp_path / 'train'
    touch(
        root,
        [f'n{c:02}/n{c:02}_{i}.JPEG' for c in range(4) for i in range(40)],
    )
    touch(
        root,
        [
            'n00/notes.txt',
            'n00/.hidden.JPEG',
            '.cache/a.jpg',
            'readme.jpg',
            'empty/notes.txt',
        ],
    )
    return root


def draw(command, source, n, seed=0, *options):
    out = source.parent / 'drawn' / 'list.txt'
    status = subset.main(
        [
            command,
            str(source),
            '-n',
            str(n),
            '--seed',
            str(seed),
            '--out',
            str(out),
            *options,
        ]
    )
    assert status == 0
    return out.read_bytes().decode().split('\n')[:-1]


def test_images_are_drawn_by_class(images):
    lines = draw('images', images, 5)
    assert len(set(lines)) == len(lines) == 20
    assert all((images / line).is_file() for line in lines)
    assert Counter(line.split('/')[0] for line in lines) == dict.fromkeys(
        ['n00', 'n01', 'n02', 'n03'], 5
    )
    assert all(line.endswith('.JPEG') and '/.' not in line for line in lines)


def test_all_kinds_of_images_that_are_read_are_drawn_from(tmp_path):
    root = tmp_path / 'all'
    names = [f'a/{n}{kind}' for n, kind in enumerate(IMAGE_EXTENSIONS)]
    touch(root, [*names, 'a/notes.txt', 'b/only.JFIF'])
    found = subset.list_images(root)
    assert sorted(found['a']) == sorted(names)
    assert found['b'] == ['b/only.JFIF']


def test_a_draw_is_reproducible_nested_and_of_its_seed(images):
    draws = [set(draw('images', images, n)) for n in (1, 5, 10, 20, 30)]
    assert all(small < large for small, large in zip(draws, draws[1:]))
    assert draws[1] == set(draw('images', images, 5))
    others = [frozenset(draw('images', images, 5, seed)) for seed in range(20)]
    assert len(set(others)) == 20
    # Classes are drawn independently, and every file has the same chance.
    first = [
        sorted(
            line.rsplit('_')[1]
            for line in others[0]
            if line.startswith(f'n0{c}')
        )
        for c in range(4)
    ]
    assert first[0] != first[1]
    hits = Counter(
        line.rsplit('_')[1]
        for seed in range(100)
        for line in draw('images', images, 10, seed)
    )
    assert len(hits) == 40
    assert all(60 < count < 140 for count in hits.values())  # ± 4.6 sd


def test_other_classes_do_not_matter(images):
    before = draw('images', images, 10)
    touch(images, [f'n01/extra_{i}.png' for i in range(50)])
    touch(images, [f'a_new_class/{i}.jpg' for i in range(10)])
    after = draw('images', images, 10)

    def of(lines, *classes):
        return [line for line in lines if line.split('/')[0] in classes]

    assert of(after, 'n00', 'n02', 'n03') == of(before, 'n00', 'n02', 'n03')
    assert of(after, 'n01') != of(before, 'n01')
    assert len(of(after, 'a_new_class')) == 10


def test_the_draw_is_pinned(images):
    """A published subset must stay what it was."""
    assert draw('images', images, 1, 7) == [
        'n00/n00_38.JPEG',
        'n01/n01_7.JPEG',
        'n02/n02_37.JPEG',
        'n03/n03_2.JPEG',
    ]


def test_lowshot_keeps_lines_as_they_stand(tmp_path):
    lines = [
        f'{name}/#{i} a b_{i}.avi {label}'
        for i in range(12)
        for label, name in enumerate(('wave', 'clap', 'run'))
    ]
    source = tmp_path / 'train.txt'
    source.write_bytes(''.join(f'{line}\r\n' for line in lines).encode())
    three, five = (draw('lowshot', source, n) for n in (3, 5))
    assert set(three) < set(five) < set(lines)
    assert Counter(line.rsplit()[-1] for line in five) == {
        '0': 5,
        '1': 5,
        '2': 5,
    }
    source.write_text('\n'.join(lines[::-1]))  # order is of no account
    assert set(draw('lowshot', source, 3)) == set(three)


@pytest.mark.parametrize('command', ['images', 'lowshot'])
def test_too_few_files_of_a_class(command, images, tmp_path, capsys):
    source = images
    if command == 'lowshot':
        source = tmp_path / 'list.txt'
        source.write_text(
            ''.join(f'a/{i}.avi 0\n' for i in range(3))
            + ''.join(f'b/{i}.avi 1\n' for i in range(50))
        )
    else:
        touch(images, ['small/1.png', 'small/2.png', 'small/3.png'])
    out = tmp_path / 'out.txt'
    args = [command, str(source), '-n', '10', '--out', str(out)]
    assert subset.main(args) == 1
    group = {'images': 'small', 'lowshot': '0'}[command]
    assert (
        f'1 classes have fewer than 10 files: {group} (3)'
        in capsys.readouterr().err
    )
    assert not out.exists()
    lines = draw(command, source, 10, 0, '--allow-fewer')
    assert len(lines) == {'images': 43, 'lowshot': 13}[command]


@pytest.mark.parametrize(
    'text, message',
    [
        ('a.avi 0\nb.avi\n', 'list.txt:2'),
        ('', 'contains no line'),
        (None, 'no such file'),
    ],
)
def test_bad_lists(text, message, tmp_path, capsys):
    source = tmp_path / 'list.txt'
    if text is not None:
        source.write_text(text)
    out = tmp_path / 'out.txt'
    args = ['lowshot', str(source), '-n', '1', '--out', str(out)]
    assert subset.main(args) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_the_source_is_not_overwritten(tmp_path, capsys):
    source = tmp_path / 'list.txt'
    source.write_text('a.avi 0\n')
    assert (
        subset.main(['lowshot', str(source), '-n', '1', '--out', str(source)])
        == 1
    )
    assert source.read_text() == 'a.avi 0\n'
