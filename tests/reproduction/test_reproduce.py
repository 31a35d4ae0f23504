"""tools/reproduce.py: what it declares, what it counts, what survives."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.utils import import_modules_from_strings

from helpers.motion_truth import measured_label
from helpers.paths import TOOLS
from mosi_mmaction import LabelPool
from mosi_mmaction.datasets import EpochSampler
from mosi_mmaction.media.paths import in_validation
from mosi_mmaction.media.video import read_frame
from mosi_mmaction.reproduction.results_store import Results
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves
from mosi_mmaction.synthetic.write import write_action_videos


@pytest.fixture(autouse=True)
def _tools_on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))


@pytest.fixture(scope='module')
def micro(tmp_path_factory):
    """24 images, 8 + 4 videos of two classes; options that name them."""
    root = tmp_path_factory.mktemp('micro')
    images = root / 'images'
    images.mkdir()
    for i in range(24):
        image = draw_dead_leaves(64, np.random.default_rng(i))
        cv2.imwrite(str(images / f'{i:02d}.png'), image)
    held_out = [in_validation(f'{i:02d}.png', 0.1) for i in range(24)]
    assert 0 < sum(held_out) < 14, 'the fixture needs both parts'
    videos = root / 'videos'
    for split, num in (('train', 4), ('test', 2)):
        write_action_videos(
            videos, num, split, num_frames=20, actions=('circle', 'zoom')
        )
    return dict(images=images, videos=videos, splits=videos)


@pytest.fixture
def tiny(micro, tmp_path):
    """A tiny preset over the micro data, 2 seeds."""
    from mosi_mmaction.reproduction.preset_tiny import Tiny

    return Tiny(**micro, root=tmp_path / 'runs', seeds=2, epochs=(2, 12))


# --- Figures.


def test_interval_by_hand():
    from mosi_mmaction.reproduction.tables import bootstrap_interval

    # The mean of 9 draws out of eight 0 and one 9 is Binomial(9, 1/9):
    # P(<= 0) = 0.346 and P(<= 2) = 0.931 < 0.975 < 0.988 = P(<= 3).
    assert bootstrap_interval([0.0] * 8 + [9.0]) == (0, 3)
    # Of two, a mean is one of them with probability 1/4 each.
    assert bootstrap_interval([1.0, 4.0]) == (1, 4)
    # Of three, with 1/27 = 3.7 % > 2.5 %: the range and nothing smaller.
    assert bootstrap_interval([5.0, -1.0, 2.0]) == (-1, 5)
    assert bootstrap_interval([7.0]) == (7, 7)
    with pytest.raises(ValueError, match='at least one'):
        bootstrap_interval([])


def test_interval_covers_the_mean_as_often_as_it_says(rng):
    from mosi_mmaction.reproduction.tables import bootstrap_interval

    hits = 0
    for _ in range(300):
        low, high = bootstrap_interval(
            list(rng.normal(3, 2, 30)), resamples=400
        )
        hits += low <= 3 <= high
    assert 0.88 < hits / 300 < 0.99


def test_differences_are_paired(tiny):
    from mosi_mmaction.reproduction.presets import Row
    from mosi_mmaction.reproduction.tables import format_table, summarize

    base = Row('from scratch', ['b0', 'b1', 'b2'], paper=30.4)
    ours = Row('MoSI', ['m0', 'm1', 'm2'], 'p', base, 47.0, 96.1)
    top1 = dict(b0=0.1, b1=0.9, b2=0.5, m0=0.15, m1=0.95, m2=0.55)
    results = {
        k: dict(final={'acc/top1': v}, seconds=3600) for k, v in top1.items()
    }
    results['p'] = dict(final={'pretext/top1': 0.99}, seconds=7200)
    rows = [summarize(row, results) for row in (base, ours)]
    # Unpaired, the interval would be as wide as the seeds are apart.
    gain = rows[1]['difference']
    assert np.allclose([gain['low'], gain['mean'], gain['high']], 5)
    table = format_table(rows, 'core').splitlines()
    assert table[2] == (
        '| from scratch | 30.4 | 50.0 ± 40.0 | 3 | – | baseline | 3.00 |'
    )
    assert table[3] == (
        '| MoSI | 47.0 | 55.0 ± 40.0 | 3 | 99.0 (96.1) | '
        '+5.0 [+5.0, +5.0] | 5.00 |'
    )


# --- Declarations.


def test_what_is_the_same_is_shared(tiny):
    from mosi_mmaction.reproduction.experiments import EXPERIMENTS

    default = tiny.mosi('tiny')
    rows = {name: make(tiny).rows for name, make in EXPERIMENTS.items()}
    # Table 1's MoSI, Table 2's default, Figure 6's first: one fine-tuning.
    same = [
        rows['table1'][1],
        rows['table2'][1],
        rows['fig6'][1],
        rows['fig7'][-1],
        rows['flip'][0],
    ]
    assert all(r.pretrains == [default] for r in same)
    assert len({tuple(r.finetunes) for r in same}) == 1
    assert rows['table1'][0].finetunes == rows['sources'][0].finetunes
    # The published accuracy stands beside the paper's range of sides only.
    papers, ours = rows['fig7'][-2:]
    assert (papers.paper, ours.paper) == (47.0, None)
    run = tiny.runs[papers.pretrains[0]]
    assert run.motion['static_mask'] == (0.3, 0.5)
    # Different conditions and seeds never share.
    for name, of in rows.items():
        runs = [finetune for row in of for finetune in row.finetunes]
        twice = 2 if name == 'table2' else 0  # 5 speeds is 8 frames
        assert len(set(runs)) == len(runs) - twice == 2 * len(of) - twice


def test_a_name_follows_from_what_decides_the_result(tiny, tmp_path, micro):
    from mosi_mmaction.reproduction.preset_tiny import Tiny

    name = tiny.finetune('tiny', tiny.mosi('tiny'))[0]
    elsewhere = Tiny(
        **micro, root=tmp_path / 'other', seeds=1, epochs=(2, 12), speed=1e9
    )
    assert elsewhere.finetune('tiny', elsewhere.mosi('tiny')) == [name]
    # The pretraining's budget decides the fine-tuning's result, too.
    longer = Tiny(**micro, root=tmp_path / 'runs', seeds=1, epochs=(3, 12))
    assert longer.finetune('tiny', longer.mosi('tiny')) != [name]


def test_motion_reaches_the_whole_config(tiny):
    run = tiny.runs[tiny.mosi('tiny', motion=dict(axes='x'))]
    cfg = run.resolve(tiny.root, tiny.runs)
    parts = [cfg.model.cls_head]
    for split in ('train', 'val'):
        steps = cfg[f'{split}_dataloader'].dataset.pipeline
        parts += [s for s in steps if s.type == 'DrawPseudoMotion']
    assert [part.axes for part in parts] == ['x'] * 3


def test_low_shot_lists_and_equal_steps(tiny):
    from mosi_mmaction.reproduction.experiments import table3

    table = table3(tiny)
    tiny.prepare()
    run = tiny.runs[table.rows[0].finetunes[0]]
    lines = Path(run.options['train_dataloader.dataset.ann_file'])
    labels = [line.split()[-1] for line in lines.read_text().splitlines()]
    assert sorted(labels) == ['0', '1']
    for num in (5, tiny.num):
        cfg = tiny.runs[tiny.mosi('tiny', num=num)]
        assert abs(cfg.epochs * num - 2 * tiny.num) < num
    tiny.prepare()
    chosen = (
        Path(
            tiny.runs[tiny.mosi('tiny', num=5)].options[
                'train_dataloader.dataset.ann_file'
            ]
        )
        .read_text()
        .split()
    )
    # Held-out photographs stay held out.
    assert len(set(chosen)) == 5 and set(chosen) <= set(tiny.photos)


def test_learning_rates(tiny, tmp_path):
    from mosi_mmaction.reproduction.experiments import rates
    from mosi_mmaction.reproduction.preset_paper import Paper

    for preset in (tiny, Paper(tmp_path, root=tmp_path, seeds=2)):
        table = rates(preset)
        target = preset.targets[0]
        assert table.rows[4].finetunes == preset.finetune(target, None)
        factors, heads = [], []
        for base, row in zip(table.rows[::2], table.rows[1::2]):
            assert row.baseline is base
            runs = [
                preset.runs[name] for name in (*base.finetunes, *row.finetunes)
            ]
            cfgs = [run.resolve(tmp_path, preset.runs) for run in runs]
            (lr,) = {cfg.optim_wrapper.optimizer.lr for cfg in cfgs}
            config = Config.fromfile(runs[0].config)
            factors.append(lr / config.optim_wrapper.optimizer.lr)
            (head,) = {
                cfg.optim_wrapper.paramwise_cfg.get('custom_keys', {})
                .get('cls_head', {})
                .get('lr_mult', 1)
                for cfg in cfgs
            }
            heads.append(factors[-1] * head)
            assert ('classifier' in row.condition) == (head != 1)
            assert [run.seed for run in runs] == [0, 1] * 2
            assert [run.init for run in runs] == [None] * 2 + row.pretrains
            assert [preset.runs[n].seed for n in row.pretrains] == [0, 1]
        assert np.allclose(factors, [0.25, 0.5, 1, 2, 4, 0.25, 0.5, 1])
        assert np.allclose(heads, [0.25, 0.5, 1, 2, 4, 5, 5, 5])


def test_frames_of_the_target(tiny):
    run = tiny.runs[tiny.mosi('tiny', source='frames')]
    tiny.prepare()
    root = Path(run.variables['MOSI_DATA'])
    train, val = (
        sorted((root / part).glob('*.png')) for part in ('train', 'val')
    )
    assert (len(train), len(val)) == (tiny.num, tiny.num_val)
    stamps = [p.stat().st_mtime_ns for p in train]
    tiny.prepare()
    assert [p.stat().st_mtime_ns for p in train] == stamps


def test_two_calls_that_make_the_same_frames(micro, tmp_path, monkeypatch):
    from mosi_mmaction.reproduction import preset_tiny

    lines = (micro['videos'] / 'train.txt').read_text().splitlines()
    names = [line.split()[0] for line in lines]
    out, read, inner = tmp_path / 'frames', preset_tiny.read_frame, []

    def read_frame(*args):
        if not inner:
            inner.append(True)
            with monkeypatch.context() as other:  # as another process would
                other.setattr(os, 'getpid', lambda: -1)
                preset_tiny._write_frames(micro['videos'], names, 8, out)
        return read(*args)

    monkeypatch.setattr(preset_tiny, 'read_frame', read_frame)
    preset_tiny._write_frames(micro['videos'], names, 8, out)
    assert [p.name for p in tmp_path.iterdir()] == ['frames']
    assert len(list(out.iterdir())) == 8


def test_paper_preset_declares_everything(tmp_path):
    from mosi_mmaction.reproduction.experiments import EXPERIMENTS
    from mosi_mmaction.reproduction.preset_paper import Paper

    paper = Paper(tmp_path / 'absent', root=tmp_path, seeds=1)
    tables = {name: make(paper) for name, make in EXPERIMENTS.items()}
    rows = {
        name: {r.condition: r for r in table.rows}
        for name, table in tables.items()
    }
    row = rows['table1']['HMDB: MoSI, x only']
    assert (row.paper, row.baseline.paper) == (44.9, 30.4)
    run = paper.runs[row.finetunes[0]]
    assert run.test and paper.runs[run.init].motion == dict(axes='x')
    cfg = run.resolve(tmp_path, paper.runs)
    assert cfg.train_cfg.max_epochs == 300
    assert cfg.model.backbone.type == 'ResNet2d3d'
    assert cfg.load_from.endswith(f'{run.init}/epoch_100.pth')
    assert (
        str(tmp_path / 'absent' / 'hmdb51')
        in cfg.test_dataloader.dataset.ann_file
    )
    other = Paper(tmp_path / 'absent', root=tmp_path, seeds=1, network='r2p1d')
    run = other.runs[other.mosi('hmdb')]
    assert 'mosi_r2p1d-paper_hmdb' in run.config
    assert 'figures are those of r2d3d' in other.describe()[1]
    assert len(paper.describe()) == 1
    # Table 2: the source grows so that a frame's step stays.
    sides = {}
    for n in (8, 16, 32):
        name = f'HMDB: {n} frames' + (' (default)' if n == 16 else '')
        cfg = paper.runs[rows['table2'][name].pretrains[0]].resolve(
            tmp_path, paper.runs
        )
        sides[n] = next(
            s.size
            for s in cfg.train_dataloader.dataset.pipeline
            if s.type == 'CropSource'
        )
    steps = [(side - 112) / (n - 1) for n, side in sides.items()]
    assert sides[16] == 320 and np.allclose(steps, steps[1], atol=0.05)


@pytest.mark.parametrize(
    'argv, words',
    [
        (['table2', '--loso'], '--loso is for table1'),
        (['table1', '--preset', 'paper', '--budget', 'long'], '--budget'),
        (['table1', '--videos', 'x'], 'go together'),
        (['table1', '--seeds', '0'], '--seeds 0: at least 1'),
        (['table9'], 'table9: there are table1'),
        ([], 'either EXPERIMENT, or --collect or --pages'),
    ],
)
def test_bad_commands(argv, words, capsys):
    from reproduce import parse_args

    with pytest.raises(SystemExit):
        parse_args(argv)
    assert words in capsys.readouterr().err


def test_leave_one_out_needs_its_lists(tiny):
    from mosi_mmaction.reproduction.experiments import table1_loso

    with pytest.raises(ValueError, match='NAME_train.txt'):
        table1_loso(tiny, [('short', 12)])


def test_some_rows_only(tiny):
    from mosi_mmaction.reproduction.experiments import table1

    table = table1(tiny)
    base, _, x_only, y_only = table.rows
    table.keep(['x only', 'y only'])
    assert [id(row) for row in table.rows] == [
        id(row) for row in (base, x_only, y_only)
    ]
    with pytest.raises(ValueError, match="has 'z only': there are from scr"):
        table.keep(['x only', 'z only'])
    table.keep(['from scratch'])
    assert table.rows == [base]


def test_unknown_network(micro, tmp_path):
    from mosi_mmaction.reproduction.preset_tiny import Tiny

    with pytest.raises(ValueError, match='--network x: the preset tiny has'):
        Tiny(**micro, root=tmp_path, seeds=1, network='x')


def test_leave_one_out(micro, tmp_path):
    from mosi_mmaction.reproduction.experiments import table1_loso
    from mosi_mmaction.reproduction.preset_tiny import Tiny

    splits, names = tmp_path / 'splits', ('ann', 'bob', 'eve')
    (splits / 'loso').mkdir(parents=True)
    lines = [
        line
        for part in ('train', 'test')
        for line in (micro['splits'] / f'{part}.txt').read_text().splitlines()
    ]
    for part in ('train', 'test'):
        text = (micro['splits'] / f'{part}.txt').read_text()
        (splits / f'{part}.txt').write_text(text)
        for k, name in enumerate(names):
            chosen = [
                line
                for i, line in enumerate(lines)
                if (i % 3 == k) == (part == 'test')
            ]
            (splits / f'loso/{name}_{part}.txt').write_text(
                '\n'.join(chosen) + '\n'
            )
    preset = Tiny(**{**micro, 'splits': splits}, root=tmp_path, seeds=1)
    table = table1_loso(preset, [('short', 12), ('long', 24)])
    (words,) = preset.describe(table.folds)
    assert '8 for training and 4 for test in each of 3 folds' in words
    (
        scratch,
        masks,
        each,
        recolored,
        half,
        twice,
        ours,
        own,
        heads,
        head_each,
        head_recolored,
        faster,
        against,
        recolored_against,
        denser,
        dense_each,
        dense_recolored,
        long_scratch,
        longer,
        each_longer,
    ) = table.rows
    assert {
        id(row.baseline)
        for row in (masks, each, recolored, half, twice, ours, own)
    } == {id(scratch)}
    runs = [preset.runs[row.pretrains[0]] for row in (half, masks, twice)]
    assert [run.epochs for run in runs] == [7, 14, 28]
    assert all(run.motion == {'static_mask': (0.3, 0.5)} for run in runs)
    assert longer.baseline is each_longer.baseline is long_scratch
    assert len(masks.pretrains) == 1 and longer.pretrains == masks.pretrains
    assert ours.pretrains == [preset.mosi('tiny')]
    assert len(set(own.pretrains)) == 3
    # From scratch at its own learning rate, against the same fine-tunings.
    assert against.finetunes == each.finetunes and against.baseline is faster
    for slow, fast in zip(scratch.finetunes, faster.finetunes):
        slow, fast = (
            preset.runs[n].resolve(tmp_path, preset.runs) for n in (slow, fast)
        )
        fast.optim_wrapper.optimizer.lr /= 2
        assert fast.to_dict() == slow.to_dict()
    assert recolored_against.finetunes == recolored.finetunes
    assert recolored_against.baseline is faster
    # The classifier has a learning rate of its own.
    for usual, row in (
        (scratch, heads),
        (each, head_each),
        (recolored, head_recolored),
    ):
        assert row.baseline is (None if row is heads else heads)
        for one, other in zip(usual.finetunes, row.finetunes):
            one, other = (
                preset.runs[n].resolve(tmp_path, preset.runs)
                for n in (one, other)
            )
            with DefaultScope.overwrite_default_scope('mmaction'):
                params = MODELS.build(other.model)
            wrapper = build_optim_wrapper(params, other.optim_wrapper)
            head = {id(p) for p in params.cls_head.parameters()}
            rates = {
                (id(g['params'][0]) in head, g['lr'])
                for g in wrapper.param_groups
            }
            lr = one.optim_wrapper.optimizer.lr
            assert rates == {(True, 5 * lr), (False, 0.5 * lr)}
            other.optim_wrapper = one.optim_wrapper
            assert one.to_dict() == other.to_dict()
    # Every 2nd frame, in training and test.
    assert dense_each.baseline is dense_recolored.baseline is denser
    assert dense_each.pretrains == each.pretrains
    for usual, row in (
        (scratch, denser),
        (each, dense_each),
        (recolored, dense_recolored),
    ):
        for one, other in zip(usual.finetunes, row.finetunes):
            one, other = (
                preset.runs[n].resolve(tmp_path, preset.runs)
                for n in (one, other)
            )
            for part in ('train', 'val', 'test'):
                step = other[f'{part}_dataloader'].dataset.pipeline[2]
                assert step.frame_interval == 2
                step.frame_interval = 4
            assert one.to_dict() == other.to_dict()
    # One pretraining a fold differs in its seed alone.
    assert each.pretrains[0] == masks.pretrains[0]
    assert each_longer.pretrains == each.pretrains
    whole = preset.runs[masks.pretrains[0]]
    assert [preset.runs[name] for name in each.pretrains] == [
        replace(whole, name=name, seed=k)
        for k, name in enumerate(each.pretrains)
    ]
    # Recolouring is all that is added, and only in training.
    for one, two in zip(each.pretrains, recolored.pretrains):
        one, two = (
            preset.runs[name].resolve(tmp_path, preset.runs)
            for name in (one, two)
        )
        for steps in (
            two.train_dataloader.dataset.pipeline,
            two.train_pipeline,
        ):
            steps.remove(
                dict(type='DrawColorJitter', grayscale_per_frame=True)
            )
        assert one.to_dict() == two.to_dict()
    # The long budget alone needs these pretrainings only, and what the two
    # rows share, the first fold, is trained once.
    alone = Tiny(**{**micro, 'splits': splits}, root=tmp_path, seeds=1)
    table1_loso(alone, [('long', 24)])
    assert len(alone.runs) == 3 + 3 * 3 - 1
    assert {preset.runs[n].init for n in scratch.finetunes} == {None}
    assert {preset.runs[n].init for n in ours.finetunes} == {*ours.pretrains}
    for row in (own, each, recolored, head_each, dense_each, each_longer):
        assert [preset.runs[n].init for n in row.finetunes] == row.pretrains
    for k, name in enumerate(names):
        for row, epochs in [(row, 12) for row in table.rows[:-3]] + [
            (row, 24) for row in table.rows[-3:]
        ]:
            run = preset.runs[row.finetunes[k]]
            assert (run.seed, run.epochs) == (k, epochs)
            for part, split in (('train', 'train'), ('val', 'test')):
                path = run.options[f'{part}_dataloader.dataset.ann_file']
                assert Path(path).name == f'{name}_{split}.txt'
    # Another network: scratch against MoSI, and nothing else differs.
    other = Tiny(
        **{**micro, 'splits': splits},
        root=tmp_path,
        seeds=1,
        network='r2p1d-paper',
    )
    rows = table1_loso(other, [('short', 12), ('long', 24)]).rows
    assert other.variant == '_r2p1d-paper'
    assert 'R(2+1)D-10 (the paper’s) at width 8' in other.describe(True)[0]
    same = [
        row
        for row in table.rows
        if not any(
            row.pretrains == of.pretrains
            for of in (masks, recolored, half, twice, ours, own)
        )
    ]
    assert [r.condition for r in rows] == [r.condition for r in same]
    for theirs, row in zip(same, rows):
        assert len(row.pretrains) == len(theirs.pretrains)
        for pairs in (
            (theirs.pretrains, row.pretrains),
            (theirs.finetunes, row.finetunes),
        ):
            for one, two in zip(*pairs):
                one = preset.runs[one].resolve(tmp_path, preset.runs)
                two = other.runs[two].resolve(tmp_path, other.runs)
                assert two.model.backbone == dict(
                    type='MoSIResNet2Plus1d', depth=10, base_channels=8
                )
                two.model.backbone = one.model.backbone
                assert bool(one.load_from) == bool(two.load_from)
                one.load_from = two.load_from
                assert one.to_dict() == two.to_dict()
    # A fold's pretraining sees no video that the fold is tested on.
    preset.prepare()
    video_of = {
        read_frame(
            str(preset.videos / line.split()[0]), lambda _, i=i: i
        ).tobytes(): line
        for line in lines
        for i in range(20)
    }
    for k, name in enumerate(own.pretrains):
        root = Path(preset.runs[name].variables['MOSI_DATA'])
        for part in ('train', 'val'):
            seen = {
                video_of[cv2.imread(str(p))[..., ::-1].tobytes()]
                for p in (root / part).glob('*.png')
            }
            assert seen and seen <= {
                line
                for i, line in enumerate(lines)
                if (i % 3 == k) == (part == 'val')
            }


# --- The released order.


def test_released_order_makes_half_of_the_horizontal_labels_wrong(
    tiny, textured
):
    name = tiny.mosi('tiny', flip_rendered=True)
    cfg = tiny.runs[name].resolve(tiny.root, tiny.runs)
    steps = [
        s
        for s in cfg.train_dataloader.dataset.pipeline
        if s.type
        not in ('LoadSourceFrame', 'DrawStaticMask', 'PackMoSIInputs')
    ]
    import_modules_from_strings(**cfg.custom_imports)
    assert all(
        s.type != 'FlipRendered' for s in cfg.val_dataloader.dataset.pipeline
    )
    pipeline = Compose([TRANSFORMS.build(s) for s in steps])
    pool = LabelPool()
    right = np.zeros((len(pool), 2))  # (right, seen)
    for index in EpochSampler(range(30), shuffle=False, seed=0):
        sample = pipeline(dict(img=textured(64, int(index)), sample_idx=index))
        for clip, label in zip(sample['imgs'], sample['label']):
            right[label] += measured_label(clip, pool, 64) == label, 1
    share = right[:, 0] / right[:, 1]
    horizontal = pool.speeds[:, 0] != 0
    assert (share[~horizontal] == 1).all()
    assert abs(share[horizontal].mean() - 0.5) < 0.15
    assert abs(share.mean() - 7 / 9) < 0.07


def test_flip_ratio_is_a_probability():
    from mosi_mmaction.reproduction import flip_rendered

    with pytest.raises(ValueError, match='probability'):
        flip_rendered.FlipRendered(1.5)


# --- Whole runs.


def test_a_dry_run_writes_nothing(tmp_path, monkeypatch, capsys):
    import reproduce

    from mosi_mmaction.reproduction import preset_tiny

    monkeypatch.setattr(reproduce.signal, 'signal', lambda *args: None)
    root = tmp_path / 'runs'
    argv = ['table1', 'table4', '--rendered', '--work-dir', str(root)]
    reproduce.main([*argv, '--dry-run'])
    assert not root.exists()
    # What it counts are the videos that there will be.
    preset = preset_tiny.Tiny(root=root, seeds=1)
    planned = [preset._lines(path) for path in preset.split]
    assert [len(lines) for lines in planned] == [66, 33]
    monkeypatch.setattr(
        'mosi_mmaction.synthetic.write.write_mp4', lambda *args: None
    )
    preset.prepare()
    lines = [path.read_text().splitlines() for path in preset.split]
    assert lines == planned
    assert '66 for training and 33 for test' in preset.describe()[0]


def test_rendered_videos_have_tables_of_their_own(
    micro, tmp_path, monkeypatch
):
    import reproduce

    from mosi_mmaction.reproduction import preset_tiny

    stems = []
    monkeypatch.setattr(reproduce, 'execute', lambda *args: {})
    monkeypatch.setattr(reproduce.signal, 'signal', lambda *args: None)
    monkeypatch.setattr(reproduce, 'read_run', lambda path: {})
    monkeypatch.setattr(reproduce, 'make_table', lambda *args: {})
    monkeypatch.setattr(reproduce, 'format_page', lambda table: '')
    monkeypatch.setattr(
        reproduce.Results,
        'add',
        lambda self, runs, tables, replace: stems.extend(
            name for of in tables.values() for name in of
        ),
    )
    monkeypatch.setattr(
        preset_tiny,
        'write_action_videos',
        lambda root, num, split: write_action_videos(
            root, 1, split, num_frames=20, actions=('circle', 'zoom')
        ),
    )
    common = [
        'flip',
        '--work-dir',
        str(tmp_path),
        '--seeds',
        '1',
        '--budget',
        'both',
    ]
    reproduce.main([*common, '--rendered'])
    reproduce.main(
        [
            *common,
            *(
                f'--{key}={micro[key]}'
                for key in ('images', 'videos', 'splits')
            ),
        ]
    )
    assert stems == [
        'flip_short_rendered',
        'flip_long_rendered',
        'flip_short',
        'flip_long',
    ]
    # So have other networks and parts of tables, which run no other row.
    stems.clear()
    monkeypatch.setattr(
        reproduce, 'execute', lambda runs, *_: stems.append(len(runs)) or {}
    )
    reproduce.main(
        [*common, '--rendered', '--network', 'r2d3d', '--only', '(ours)']
    )
    assert stems == [
        1 + 2,
        'flip_short_r2d3d_rendered_only',
        'flip_long_r2d3d_rendered_only',
    ]


def _command(micro, root):
    return [
        sys.executable,
        '-W',
        'ignore',
        str(TOOLS / 'reproduce.py'),
        'flip',
        '--images',
        str(micro['images']),
        '--videos',
        str(micro['videos']),
        '--splits',
        str(micro['splits']),
        '--work-dir',
        str(root),
        '--pretrain-epochs',
        '2',
        '--finetune-epochs',
        '12',
        '--seeds',
        '2',
        '--jobs',
        '1',
    ]


def _reproduce(micro, root):
    done = subprocess.run(
        _command(micro, root), capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def _table(root):
    """All that the table says but what it cost."""
    rows = Results(root / 'results').tables()['flip_given']['rows']
    return [{k: v for k, v in row.items() if k != 'hours'} for row in rows]


def _raw(root):
    return {p.parent.name: p.read_bytes() for p in root.glob('*/result.json')}


def _weights(root):
    """The last weights of every run: accuracies alone are too coarse."""
    weights = {}
    for folder in root.glob('tiny-*'):
        epoch = 12 if 'finetune' in folder.name else 2
        state = torch.load(folder / f'epoch_{epoch}.pth')['state_dict']
        weights.update({(folder.name, k): v for k, v in state.items()})
    return weights


def _same(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(first[k], second[k]) for k in first
    )


def _kill(micro, root, moment, everybody):
    """Start, and SIGKILL as soon as ``moment()`` is true."""
    with open(root.with_suffix('.log'), 'a') as log:
        tool = subprocess.Popen(
            _command(micro, root),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.time() + 600
    while not moment():
        assert tool.poll() is None and time.time() < end, root.with_suffix(
            '.log'
        ).read_text()[-2000:]
        time.sleep(0.05)
    if everybody:
        os.killpg(tool.pid, signal.SIGKILL)
    else:
        tool.kill()
    tool.wait()


@pytest.fixture(scope='module')
def straight(micro, tmp_path_factory):
    """Folder of runs that nobody interrupted."""
    root = tmp_path_factory.mktemp('straight')
    _reproduce(micro, root)
    return root


@pytest.mark.long
def test_interrupted_runs_end_with_the_same_table(micro, straight, tmp_path):
    broken = tmp_path / 'broken'
    raw, table = _raw(straight), _table(straight)
    weights = _weights(straight)
    assert len(raw) == 6  # 2 pretrainings, 2 x 2 fine-tunings
    lines = Results(straight / 'results').runs()
    assert lines.keys() == raw.keys()
    for name, line in lines.items():
        assert json.loads(raw[name]).items() <= line.items()
        assert all(line[k] is not None for k in line if k != 'init'), line
    assert '/tmp' not in (straight / 'results/runs.jsonl').read_text()
    assert all(row['pretext'] is not None for row in table)

    def saved(kind, epoch):
        return lambda: any(broken.glob(f'tiny-{kind}*/epoch_{epoch}.pth'))

    # In a pretraining, with all of its processes; then in a fine-tuning
    # the tool alone, so that the training goes on without it.
    _kill(micro, broken, saved('mosi', 1), everybody=True)
    _kill(micro, broken, saved('finetune', 4), everybody=False)
    _reproduce(micro, broken)
    assert any(
        len(list(p.glob('*/vis_data'))) > 1 for p in broken.glob('tiny-*')
    )
    assert _table(broken) == table
    for name, text in _raw(broken).items():
        ours, whole = json.loads(text), json.loads(raw[name])
        assert ours['final'] == whole['final']
        # A kill may have come between a checkpoint and its validation.
        assert [e for e in whole['curve'] if e in ours['curve']] == ours[
            'curve'
        ]
    assert _raw(broken).keys() == raw.keys()
    assert _same(_weights(broken), weights)

    # One seed of one row once more, the others are kept.
    name = table[1]['finetunes'][1]
    kept = {
        p: p.stat().st_mtime_ns
        for p in straight.glob('*/result.json')
        if name not in p.parts
    }
    shutil.rmtree(straight / name)
    _reproduce(micro, straight)
    assert _raw(straight) == raw
    assert _same(_weights(straight), weights)
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


@pytest.mark.long
def test_killed_before_its_last_validation(micro, straight):
    name = _table(straight)[0]['finetunes'][0]
    whole = (straight / name / 'result.json').read_bytes()
    # As if the kill had come between the last checkpoint and the end.
    (straight / name / 'result.json').unlink()
    for path in (straight / name).glob('*/vis_data/scalars.json'):
        lines = path.read_text().splitlines(keepends=True)
        last = json.loads(lines[-1])
        assert last['step'] == 12 and 'acc/top1' in last
        path.write_text(''.join(lines[:-1]))
    _reproduce(micro, straight)
    assert (straight / name / 'result.json').read_bytes() == whole
