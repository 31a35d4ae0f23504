"""What the tiny preset declares, trains and renders."""

import os
from pathlib import Path

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.utils import import_modules_from_strings

from helpers.motion_truth import measured_label
from mosi_mmaction import LabelPool
from mosi_mmaction.datasets import EpochSampler
from mosi_mmaction.synthetic.write import write_action_videos


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
    from mosi_mmaction.reproduction import target_frames

    lines = (micro['videos'] / 'train.txt').read_text().splitlines()
    names = [line.split()[0] for line in lines]
    out, read, inner = tmp_path / 'frames', target_frames.read_frame, []

    def read_frame(*args):
        if not inner:
            inner.append(True)
            with monkeypatch.context() as other:  # as another process would
                other.setattr(os, 'getpid', lambda: -1)
                target_frames.write_frames(micro['videos'], names, 8, out)
        return read(*args)

    monkeypatch.setattr(target_frames, 'read_frame', read_frame)
    target_frames.write_frames(micro['videos'], names, 8, out)
    assert [p.name for p in tmp_path.iterdir()] == ['frames']
    assert len(list(out.iterdir())) == 8


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
    monkeypatch.setattr(
        reproduce,
        'write_report',
        lambda results, runs, tables, replace: stems.extend(tables) or [],
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
