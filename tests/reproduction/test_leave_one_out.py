"""Leave-one-out from its lists to its pages."""

from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from mmaction.registry import MODELS
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from mosi_mmaction.media.video import read_frame


def test_leave_one_out_needs_its_lists(tiny):
    from mosi_mmaction.reproduction.experiments import table1_loso

    with pytest.raises(ValueError, match='NAME_train.txt'):
        table1_loso(tiny, [('short', 12)])


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
