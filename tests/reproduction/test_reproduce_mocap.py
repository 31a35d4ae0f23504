"""Motion capture in tools/reproduce.py: paired folds, declared as such."""

from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS

STYLES = ('calm', 'odd', 'wild')


@pytest.fixture
def videos(tmp_path):
    """Lists of three styles, two classes of four videos; no videos."""
    root = tmp_path / 'videos'
    for camera in ('still', 'panning'):
        (root / camera).mkdir(parents=True)
    (root / 'lists/folds').mkdir(parents=True)
    lines = {
        style: [
            f'{action}/{action}_{style}_{n}.mp4 {label}\n'
            for label, action in enumerate(('run', 'walk'))
            for n in range(4)
        ]
        for style in STYLES
    }
    for style in STYLES:
        folds = root / 'lists/folds'
        (folds / f'{style}_train.txt').write_text(''.join(lines[style]))
        others = [s for s in STYLES if s != style]
        (folds / f'{style}_test.txt').write_text(
            ''.join(line for s in others for line in lines[s])
        )
    return root


def preset(videos, tmp_path, **kwargs):
    from mosi_mmaction.reproduction.preset_mocap import Mocap

    kwargs = {'epochs': (2, 12), 'few': 3, **kwargs}
    return Mocap(videos, root=tmp_path / 'runs', seeds=0, **kwargs)


def test_rows_are_paired_by_fold(videos, tmp_path):
    from mosi_mmaction.reproduction.experiments import table1

    p = preset(videos, tmp_path)
    table = table1(p)
    scratch, ours = table.rows[:2]
    assert ours.baseline is scratch
    assert len(scratch.finetunes) == len(set(ours.finetunes)) == len(STYLES)
    p.prepare()
    for fold, names in enumerate(zip(scratch.finetunes, ours.finetunes)):
        runs = [p.runs[name] for name in names]
        cfgs = [run.resolve(p.root, p.runs) for run in runs]
        assert [run.seed for run in runs] == [fold, fold]
        for part in ('train', 'test'):
            files = {c[f'{part}_dataloader'].dataset.ann_file for c in cfgs}
            assert len(files) == 1  # the same videos for both
        train, test = (
            Path(cfgs[0][f'{part}_dataloader'].dataset.ann_file)
            for part in ('train', 'test')
        )
        assert test.name == f'{STYLES[fold]}_test.txt'
        assert STYLES[fold] not in test.read_text()
        # So few of each class, all of the fold's style.
        labels = [line.split()[-1] for line in train.read_text().splitlines()]
        assert sorted(labels) == ['0'] * 3 + ['1'] * 3
        assert train.read_text().count(f'_{STYLES[fold]}_') == 6
        said = p.describe()[0]
        assert 'motion capture, 6 for training and 16 for test in' in said
        # It is validated once, at the end.
        assert cfgs[0].train_cfg.val_interval == cfgs[0].train_cfg.max_epochs


def flips(p, row):
    cfg = p.runs[row.finetunes[0]].resolve(p.root, p.runs)
    (flip,) = [
        step
        for step in cfg.train_dataloader.dataset.pipeline
        if step['type'] == 'Flip'
    ]
    return flip['flip_ratio']


def test_flips_are_asked_for(videos, tmp_path):
    from mosi_mmaction.reproduction.preset_mocap import mocap_flip

    p = preset(videos, tmp_path)
    rows = mocap_flip(p).rows
    assert [flips(p, row) for row in rows] == [0.0] * 4 + [0.5] * 4
    assert all(
        ('no flips' in row.condition) == (flips(p, row) == 0) for row in rows
    )
    folded = p.runs[rows[3].pretrains[0]].resolve(p.root, p.runs)
    assert folded.model.cls_head.signed is False


def test_sizes_are_the_published_networks(videos, tmp_path):
    from mosi_mmaction.checkpoints.zoo import find_checkpoint
    from mosi_mmaction.reproduction.preset_mocap import sizes

    p = preset(videos, tmp_path)
    rows = {row.condition: row for row in sizes(p).rows}
    for size, width, clip_len in (('tiny', 8, 8), ('small', 16, 16)):
        ours, scratch = rows[f'{size}, MoSI'], rows[f'{size}, from scratch']
        assert ours.baseline is scratch
        a, b = (
            p.runs[row.finetunes[1]].resolve(p.root, p.runs)
            for row in (ours, scratch)
        )
        assert b.load_from is None
        weights = torch.load(
            find_checkpoint(a.pop('load_from')), weights_only=True
        )['state_dict']
        # They fit, and nothing else differs.
        backbone = MODELS.build(a.model.backbone)
        prefix = 'backbone.'
        backbone.load_state_dict(
            {
                name.removeprefix(prefix): value
                for name, value in weights.items()
                if name.startswith(prefix)
            }
        )
        assert a.model.backbone.base_channels == width
        assert a.model.cls_head.in_channels == 8 * width
        assert a.to_dict() == {
            k: v for k, v in b.to_dict().items() if k != 'load_from'
        }
        (frames,) = [
            step
            for step in a.train_dataloader.dataset.pipeline
            if step['type'] == 'SampleFrames'
        ]
        assert frames['clip_len'] == clip_len
        assert flips(p, ours) == 0.0


def test_layers_reach_the_pretraining(videos, tmp_path):
    from mosi_mmaction.reproduction.experiments import layers

    p = preset(videos, tmp_path)
    rows = layers(p).rows
    names = [row.pretrains[0] for row in rows]
    assert len(set(names)) == len(names)
    for name in names:
        assert p.runs[name].resolve(p.root, p.runs)


def test_pretrainings_differ_in_their_seeds_only(videos, tmp_path):
    from mosi_mmaction.reproduction.preset_mocap import RECIPES, pretrainings

    p = preset(videos, tmp_path)
    rows = pretrainings(p).rows
    recipes = {name: [] for name in RECIPES}
    for row in rows:
        (name,) = row.pretrains
        recipe, seed = row.condition.split(', pretraining ')
        cfg = p.runs[name].resolve(p.root, p.runs).to_dict()
        assert cfg.pop('randomness')['seed'] == int(seed)
        recipes[recipe].append(cfg)
        if recipe != 'MoSI, the paper’s clips':
            assert row.baseline.condition.endswith(
                f'clips, pretraining {seed}'
            )
    for one, other, third in recipes.values():
        assert one == other == third
    # The one of every other experiment has another seed.
    assert p.mosi('tiny') not in {row.pretrains[0] for row in rows}


def test_cameras_and_budgets_are_other_runs(videos, tmp_path):
    runs = {
        preset(videos, tmp_path, **kwargs).finetune('tiny', None)[0]
        for kwargs in ({}, dict(camera='panning'), dict(few=None))
    }
    assert len(runs) == 3


def test_what_is_wrong_is_said(videos, tmp_path, capsys):
    import reproduce

    with pytest.raises(FileNotFoundError, match='mocap_videos.py'):
        preset(tmp_path, tmp_path)
    for argv, said in (
        (['mocap_flip'], 'with --data mocap'),
        (['table1', '--data', 'mocap', '--seeds', '3'], 'folds and seeds'),
    ):
        with pytest.raises(SystemExit):
            reproduce.parse_args(argv)
        assert said in capsys.readouterr().err
