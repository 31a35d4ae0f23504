"""Tests of tools/data/prepare.py and tools/data/subset.py."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from helpers.paths import TOOLS, load_tool

TOOLS = TOOLS / 'data'


prepare = load_tool('data/prepare')

COUNTS = {
    'hmdb51': [(3570, 1530)] * 3,
    'ucf101': [(9537, 3783), (9586, 3734), (9624, 3696)],
}
LISTS = [(split, half) for split in (1, 2, 3) for half in ('train', 'val')]


def touch(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def read(out, name, split, half):
    path = out / f'{name}_{half}_split_{split}_videos.txt'
    return path.read_bytes().decode().split('\n')[:-1]


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


# The official split files ---------------------------------------------------


@pytest.mark.parametrize('name', ['ucf101', 'hmdb51'])
def test_official_splits(name, shared_data, tmp_path, capsys):
    splits = shared_data / 'splits' / name
    (tmp_path / 'videos').mkdir()
    assert run(name, tmp_path, splits=splits) == 1  # nothing is there
    missing = (tmp_path / f'out/{name}_missing.txt').read_text().splitlines()
    said = capsys.readouterr().err
    assert f'{len(missing)} of {len(missing)} videos' in said
    assert 'official are' not in said

    touch(tmp_path / 'videos', missing)
    assert run(name, tmp_path, splits=splits) == 0
    assert not (tmp_path / f'out/{name}_missing.txt').exists()
    assert capsys.readouterr().err == ''
    classes = {}
    for split, counts in zip((1, 2, 3), COUNTS[name]):
        halves = [
            read(tmp_path / 'out', name, split, half)
            for half in ('train', 'val')
        ]
        assert tuple(map(len, halves)) == counts
        assert not set(halves[0]) & set(halves[1])
        for line in (line for half in halves for line in half):
            video, label = line.rsplit(' ', 1)
            assert (tmp_path / 'videos' / video).is_file()
            assert classes.setdefault(video.split('/')[0], int(label)) == int(
                label
            )
    assert classes == official_classes(name, splits)


def official_classes(name, splits):
    """Labels by a route of their own."""
    if name == 'ucf101':
        text = (splits / 'classInd.txt').read_text()
        return {
            word: int(number) - 1
            for number, word in map(str.split, text.splitlines())
        }
    files = splits.glob('*/*_test_split1.txt')
    names = sorted(path.name.split('_test_split')[0] for path in files)
    return {name: label for label, name in enumerate(names)}


def test_official_hmdb51_against_its_own_file(shared_data, tmp_path):
    """Two videos with awkward names land where their file says."""
    splits = shared_data / 'splits' / 'hmdb51'
    (tmp_path / 'videos').mkdir()
    run('hmdb51', tmp_path, splits=splits)
    text = (
        splits / 'testTrainMulti_7030_splits/clap_test_split1.txt'
    ).read_text()
    train = read(tmp_path / 'out', 'hmdb51', 1, 'train')
    val = read(tmp_path / 'out', 'hmdb51', 1, 'val')
    label = official_classes('hmdb51', splits)['clap']
    seen = Counter()
    for line in text.splitlines():
        video, number = line.split()
        entry = f'clap/{video} {label}'
        assert (entry in train, entry in val) == (number == '1', number == '2')
        seen[number, video.startswith('#')] += 1
    assert seen['1', False] + seen['1', True] == 70
    assert seen['1', True] + seen['2', True] > 0  # names that begin with #


# Small splits made here -----------------------------------------------------

HMDB = {
    'wave': ['#1 hello_wave_0.avi', 'a, b (c)!_wave_1.avi', ' lead_2.avi'],
    'clap': ['#20_clap_0.avi', 'plain_clap_1.avi', 'naïve 7_clap_2.avi'],
}


def make_hmdb51(root, newline):
    """One train, one test, one unused video a class, in rotation."""
    root.mkdir(parents=True)
    for name, videos in HMDB.items():
        for split in (1, 2, 3):
            tags = [(i + split) % 3 for i in range(3)]
            text = newline.join(
                f'{video} {tag} ' for video, tag in zip(videos, tags)
            )
            (root / f'{name}_test_split{split}.txt').write_bytes(
                (text + newline).encode()
            )
    return [f'{name}/{v}' for name, videos in HMDB.items() for v in videos]


def make_ucf101(root, newline):
    """Labels not in alphabetical order, a blank in one name."""
    videos = [
        'Zoo/v_Zoo_g01_c01.avi',
        'Zoo/v Zoo 5.avi',
        'Ape/v_Ape_g01_c01.avi',
        'Ape/#v_Ape_g02_c01.avi',
    ]
    root.mkdir(parents=True)

    def write(name, lines):
        (root / name).write_bytes(
            ''.join(line + newline for line in lines).encode()
        )

    write('classInd.txt', ['1 Zoo', '2 Ape', ''])
    for split in (1, 2, 3):
        write(
            f'trainlist0{split}.txt',
            [f'{videos[0]} 1', f'{videos[1]} 1', f'{videos[2]} 2'],
        )
        write(f'testlist0{split}.txt', [videos[3]])
    return videos


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
@pytest.mark.parametrize('below', ['', 'ucfTrainTestlist'])
def test_small_ucf101(newline, below, tmp_path, capsys):
    videos = make_ucf101(tmp_path / 'splits' / below, newline)
    touch(tmp_path / 'videos', videos)
    assert run('ucf101', tmp_path) == 1  # counts are not the official
    said = capsys.readouterr().err
    assert 'split 2 val: 1 videos, official are 3734' in said
    assert "1 names contain blanks, such as 'Zoo/v Zoo 5.avi'" in said
    assert run('ucf101', tmp_path, '--allow-other-counts') == 0
    for split in (1, 2, 3):
        assert read(tmp_path / 'out', 'ucf101', split, 'train') == [
            f'{videos[0]} 0',
            f'{videos[1]} 0',
            f'{videos[2]} 1',
        ]
        assert read(tmp_path / 'out', 'ucf101', split, 'val') == [
            f'{videos[3]} 1'
        ]


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_small_hmdb51(newline, tmp_path, capsys):
    videos = make_hmdb51(tmp_path / 'splits', newline)
    touch(tmp_path / 'videos', videos)
    assert run('hmdb51', tmp_path, '--allow-other-counts') == 0
    assert '4 names contain blanks' in capsys.readouterr().err
    for split in (1, 2, 3):
        for half, wanted in (('train', 1), ('val', 2)):
            i = (wanted - split) % 3
            assert read(tmp_path / 'out', 'hmdb51', split, half) == [
                f'clap/{HMDB["clap"][i]} 0',
                f'wave/{HMDB["wave"][i]} 1',
            ]


@pytest.mark.parametrize('allow', [False, True])
def test_missing_videos(allow, tmp_path, capsys):
    videos = make_hmdb51(tmp_path / 'splits', '\r\n')
    gone = ['wave/#1 hello_wave_0.avi', 'clap/plain_clap_1.avi']
    touch(tmp_path / 'videos', [v for v in videos if v not in gone])
    (tmp_path / 'videos' / gone[0]).mkdir(parents=True)  # not a file
    options = ['--allow-other-counts'] + ['--allow-missing'] * allow
    assert run('hmdb51', tmp_path, *options) == (0 if allow else 1)
    said = capsys.readouterr().err
    assert '2 of 6 videos are not in' in said
    assert all(f'  {video}\n' in said for video in gone)
    assert sorted(
        (tmp_path / 'out/hmdb51_missing.txt').read_text().splitlines()
    ) == sorted(gone)
    listed = {
        line.rsplit(' ', 1)[0]
        for split, half in LISTS
        for line in read(tmp_path / 'out', 'hmdb51', split, half)
    }
    assert listed == set(videos) - (set(gone) if allow else set())


def test_allow_missing_does_not_hide_wrong_counts(tmp_path):
    touch(tmp_path / 'videos', make_hmdb51(tmp_path / 'splits', '\n'))
    assert run('hmdb51', tmp_path, '--allow-missing') == 1


@pytest.mark.parametrize(
    'name, file, text, message',
    [
        (
            'hmdb51',
            'clap_test_split2.txt',
            'a.avi 1\nb.avi\n',
            'clap_test_split2.txt:2',
        ),
        ('hmdb51', 'clap_test_split2.txt', 'a.avi 3\n', '3 is neither'),
        ('hmdb51', 'clap_test_split2.txt', None, 'clap_test_split2.txt'),
        (
            'ucf101',
            'trainlist02.txt',
            'Zoo/a.avi 2\n',
            'trainlist02.txt:1: label 2, but',
        ),
        ('ucf101', 'testlist03.txt', 'Ant/a.avi\n', "class 'Ant' is not in"),
        ('ucf101', 'testlist03.txt', None, 'testlist03.txt'),
        (
            'ucf101',
            'classInd.txt',
            None,
            'no file classInd.txt there or below',
        ),
    ],
)
def test_bad_split_files_are_named(
    name, file, text, message, tmp_path, capsys
):
    {'hmdb51': make_hmdb51, 'ucf101': make_ucf101}[name](
        tmp_path / 'splits', '\n'
    )
    (tmp_path / 'videos').mkdir()
    if text is None:
        (tmp_path / 'splits' / file).unlink()
    else:
        (tmp_path / 'splits' / file).write_text(text)
    assert run(name, tmp_path, '--allow-other-counts') == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_no_folder_of_videos(tmp_path, capsys):
    make_hmdb51(tmp_path / 'splits', '\n')
    assert run('hmdb51', tmp_path) == 2
    assert 'no such directory' in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != 'linux', reason='names are bytes')
def test_a_name_that_is_no_text(tmp_path, capsys):
    make_hmdb51(tmp_path / 'splits', '\n')
    with open(tmp_path / 'splits/clap_test_split1.txt', 'ab') as file:
        file.write(b'caf\xe9_clap_3.avi 1\n')
    (tmp_path / 'videos').mkdir()
    assert run('hmdb51', tmp_path, '--allow-other-counts') == 1
    capsys.readouterr()
    (tmp_path / 'videos/clap').mkdir()
    open(
        os.fsencode(tmp_path) + b'/videos/clap/caf\xe9_clap_3.avi', 'w'
    ).close()
    run('hmdb51', tmp_path, '--allow-missing')
    path = tmp_path / 'out/hmdb51_train_split_1_videos.txt'
    assert path.read_bytes() == b'clap/caf\xe9_clap_3.avi 0\n'


def test_from_a_shell(tmp_path):
    touch(tmp_path / 'videos', make_ucf101(tmp_path / 'splits', '\r\n')[1:])
    done = subprocess.run(
        [
            sys.executable,
            str(TOOLS / 'prepare.py'),
            'ucf101',
            '--splits',
            'splits',
            '--videos',
            'videos',
            '--out',
            'out',
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert 'Zoo/v_Zoo_g01_c01.avi' in done.stderr
    assert 'out/ucf101_val_split_3_videos.txt: 1 videos' in done.stdout
