"""A folder of one's own videos becomes lists and a config that trains."""

import pytest
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from helpers.paths import TOOLS, load_tool
from mosi_mmaction import config_path, set_videos

TOOL = TOOLS / 'data' / 'split_videos.py'


@pytest.fixture
def tool():
    return load_tool('data/split_videos')


@pytest.fixture
def videos(tmp_path):
    """Three classes of eight videos, by four persons."""
    root = tmp_path / 'my vidéos'
    for name in ('wave 2', 'bend', 'wave 10'):
        for person in ('ada', 'bo', 'cy', 'dee'):
            for take in (1, 2):
                path = root / name / 'raw' / f'{person}_{take} x.AVI'
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    (root / 'bend' / 'notes.txt').touch()
    return root


def entries(path):
    lines = path.read_text().splitlines()
    return [
        (line.rpartition(' ')[0], int(line.rpartition(' ')[2]))
        for line in lines
    ]


def test_every_video_is_on_one_side(tool, videos, tmp_path, capsys):
    out = tmp_path / 'lists'
    assert tool.main([str(videos), '--out', str(out)]) == 0
    assert '3 classes, 18 videos to train on, 6 to test' in (
        said := capsys.readouterr().out
    )
    assert said.rstrip().endswith(f'train {out}/finetune.py')
    classes = (out / 'classes.txt').read_text().splitlines()
    assert classes == ['bend', 'wave 2', 'wave 10']  # natural order
    train, test = entries(out / 'train.txt'), entries(out / 'test.txt')
    there = {p.relative_to(videos).as_posix() for p in videos.rglob('*.AVI')}
    assert {p for p, _ in train} | {p for p, _ in test} == there
    assert len(train) + len(test) == len(there)
    for path, label in train + test:
        assert path.split('/')[0] == classes[label]
    assert sorted(label for _, label in test) == [0, 0, 1, 1, 2, 2]
    # Again, and it is the same; with another seed it is not.
    tool.main([str(videos), '--out', str(tmp_path / 'again')])
    assert entries(tmp_path / 'again' / 'test.txt') == test
    tool.main([str(videos), '--out', str(tmp_path / 'other'), '--seed', '1'])
    assert entries(tmp_path / 'other' / 'test.txt') != test


@pytest.mark.parametrize('pattern', ['^[^_]*', '([a-z]+)_[12]'])
def test_groups_stay_together(tool, videos, tmp_path, pattern):
    assert (
        tool.main(
            [
                str(videos),
                '--out',
                str(tmp_path),
                '--group',
                pattern,
                '--test',
                '0.5',
            ]
        )
        == 0
    )
    persons = [
        {
            p.split('/')[-1].split('_')[0]
            for p, _ in entries(tmp_path / f'{half}.txt')
        }
        for half in ('train', 'test')
    ]
    assert len(persons[0]) == len(persons[1]) == 2
    assert not persons[0] & persons[1]


@pytest.mark.parametrize('seed', range(4))
def test_uneven_classes_have_both_halves(tool, videos, tmp_path, seed):
    """Some actions were done by two of the persons only."""
    for name, missing in (('bend', 'ada bo'), ('wave 2', 'bo cy')):
        for person in missing.split():
            for path in (videos / name).rglob(f'{person}_*'):
                path.unlink()
    argv = [str(videos), '--out', str(tmp_path), '--group', '^[^_]*']
    assert tool.main([*argv, '--seed', str(seed)]) == 0
    halves = [entries(tmp_path / f'{half}.txt') for half in ('train', 'test')]
    assert all({label for _, label in half} == {0, 1, 2} for half in halves)
    persons = [{p.split('/')[-1].split('_')[0] for p, _ in h} for h in halves]
    assert not persons[0] & persons[1]


@pytest.mark.parametrize(
    'classes, said',
    [
        (
            {'run': 'ada bo', 'sit': 'cy'},
            "class 'sit' (2 videos) has only the group 'cy'",
        ),
        (
            {'run': 'ada bo', 'sit': 'bo cy', 'bow': 'cy ada'},
            'however the 3 groups are divided',
        ),
    ],
)
def test_groups_that_cannot_be_divided(tool, tmp_path, capsys, classes, said):
    for name, persons in classes.items():
        for person in persons.split():
            touch(tmp_path / 'v', *(f'{name}/{person}_{i}.mp4' for i in '12'))
    argv = [str(tmp_path / 'v'), '--out', str(tmp_path / 'out')]
    assert tool.main([*argv, '--group', '^[^_]*']) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_config_knows_classes_and_paths(tool, videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tool.main(['my vidéos', '--out', 'lists', '--checkpoint', '']) == 0
    monkeypatch.chdir('/')
    cfg = Config.fromfile(tmp_path / 'lists' / 'finetune.py')
    base = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
    assert cfg.model.cls_head.num_classes == 3
    assert cfg.load_from == base.load_from
    for part, name in (('train', 'train'), ('val', 'test'), ('test', 'test')):
        dataset = cfg[f'{part}_dataloader'].dataset
        assert dataset.ann_file == str(tmp_path / 'lists' / f'{name}.txt')
        assert dataset.data_prefix.video == str(videos)
        assert dataset.pipeline == base[f'{part}_dataloader'].dataset.pipeline


def test_config_takes_the_pretrained_file_from_outside(
    tool, videos, tmp_path, monkeypatch
):
    assert tool.main([str(videos), '--out', str(tmp_path)]) == 0
    monkeypatch.setenv('MOSI_PRETRAINED', "/O'Brien's runs/é 1.pth")
    cfg = Config.fromfile(tmp_path / 'finetune.py')
    assert cfg.load_from == "/O'Brien's runs/é 1.pth"


def test_config_starts_from_a_file_of_any_name(tool, videos, tmp_path):
    name = "/O'Brien's runs\\é {1}.pth"
    out = tmp_path / 'out'
    assert (
        tool.main([str(videos), '--out', str(out), '--checkpoint', name]) == 0
    )
    cfg = Config.fromfile(out / 'finetune.py')
    assert cfg.load_from == name
    cfg.dump(out / 'dumped.py')
    assert Config.fromfile(out / 'dumped.py').load_from == name


def test_config_starts_from_the_zoo(tool, videos, tmp_path):
    assert tool.main([str(videos), '--out', str(tmp_path)]) == 0
    cfg = Config.fromfile(tmp_path / 'finetune.py')
    weights = CheckpointLoader.load_checkpoint(cfg.load_from)['state_dict']
    assert 'backbone.layer4.0.conv1.conv.conv_s.weight' in weights


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize('held', [('val',), ('Test',), ('validation', 'test')])
def test_given_halves_are_taken(tool, tmp_path, capsys, held):
    root, out = tmp_path / 'videos', tmp_path / 'out'
    for half in ('train', *held):
        for i in range(3 if half == 'train' else 1):
            touch(root, f'{half}/run/{i}.mp4', f'{half}/bend/x/{i}.mp4')
    assert tool.main([str(root), '--out', str(out)]) == 0
    said = capsys.readouterr().out
    assert '2 classes, 6 videos to train on, 2 to test' in said
    assert (out / 'classes.txt').read_text() == 'bend\nrun\n'
    train = [(f'train/bend/x/{i}.mp4', 0) for i in range(3)]
    train += [(f'train/run/{i}.mp4', 1) for i in range(3)]
    assert entries(out / 'train.txt') == train
    test = [(f'{held[-1]}/bend/x/0.mp4', 0), (f'{held[-1]}/run/0.mp4', 1)]
    assert entries(out / 'test.txt') == test
    cfg = Config.fromfile(out / 'finetune.py')
    val = 'val.txt' if len(held) > 1 else 'test.txt'
    assert cfg.val_dataloader.dataset.ann_file == str(out / val)
    assert cfg.test_dataloader.dataset.ann_file == str(out / 'test.txt')
    if len(held) > 1:
        paths = [path for path, _ in entries(out / 'val.txt')]
        assert paths == ['validation/bend/x/0.mp4', 'validation/run/0.mp4']


@pytest.mark.parametrize(
    'names, said, args',
    [
        (
            ['train/a.mp4', 'test/b.mp4'],
            'is not in the directory of a class',
            [],
        ),
        (['train/a/1.mp4', 'val/b/2.mp4'], "class 'b' has no video in tr", []),
        (['val/a/1.mp4', 'test/b/2.mp4'], 'both train and test', []),
        (
            ['train/a/bo_1.mp4', 'val/a/bo_2.mp4'],
            "'bo' is in train and in",
            ['--group', '^[a-z]+'],
        ),
    ],
)
def test_halves_that_cannot_be(tool, tmp_path, capsys, names, said, args):
    touch(tmp_path / 'videos', *names)
    argv = [str(tmp_path / 'videos'), '--out', str(tmp_path / 'out'), *args]
    assert tool.main(argv) == 2
    assert said in capsys.readouterr().err


def test_what_is_left_out_is_counted(tool, videos, tmp_path, capsys):
    touch(videos, 'sit/a.rm', 'sit/b.rm', 'bend/cover.jpg', 'bend/.hidden.rm')
    touch(videos, *(f'jump/{i}.m2ts' for i in range(4)))
    assert tool.main([str(videos), '--out', str(tmp_path / 'out')]) == 0
    said = capsys.readouterr().out
    assert 'ignored, as they are not videos: 2 .rm' in said
    assert '1 .jpg' in said and '1 .txt' in said
    assert 'not classes, as they have no video: sit' in said
    assert '4 classes' in said


@pytest.mark.parametrize(
    'change, said',
    [
        (
            lambda root: (root / 'loose.mp4').touch(),
            'is not in the directory of a class',
        ),
        (
            lambda root: (
                (root / 'one').mkdir() or (root / 'one/a.mp4').touch()
            ),
            "class 'one' (1 videos) has none for testing",
        ),
    ],
)
def test_layouts_that_cannot_be(tool, videos, tmp_path, capsys, change, said):
    change(videos)
    assert tool.main([str(videos), '--out', str(tmp_path / 'out')]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'args, said',
    [
        (['nowhere'], 'there is no such directory'),
        (['{videos}/bend'], '1 directories with videos'),
        (['{videos}', '--group', 'zz'], "--group 'zz' does not match"),
        (['{videos}', '--base', 'nothing'], 'nothing'),
    ],
)
def test_arguments_that_cannot_be(tool, videos, tmp_path, capsys, args, said):
    args = [a.format(videos=videos) for a in args]
    assert tool.main([*args, '--out', str(tmp_path / 'out')]) == 2
    assert said in capsys.readouterr().err


def test_set_videos_names_what_is_missing(tmp_path):
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
    with pytest.raises(FileNotFoundError, match=r'train\.txt.*split_videos'):
        set_videos(cfg, 'videos', str(tmp_path))
    for name in ('train', 'test', 'classes'):
        (tmp_path / f'{name}.txt').write_text('a\nb\n')
    with pytest.raises(ValueError, match='num_classes'):
        set_videos(
            Config.fromfile(config_path('mosi_r2p1d_hmdb')),
            'videos',
            str(tmp_path),
        )
