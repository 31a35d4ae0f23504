"""The study of cameras that move: its rows differ in what they say."""

import numpy as np
import pytest
from mmaction.registry import TRANSFORMS

from mosi_mmaction.reproduction.experiments import panned
from mosi_mmaction.reproduction.panned import (
    PRETRAININGS,
    REMEDY,
    camera_options,
)
from mosi_mmaction.reproduction.preset_paper import Paper
from mosi_mmaction.reproduction.preset_tiny import Tiny


def steps(cfg, part):
    return [dict(s) for s in cfg[f'{part}_dataloader'].dataset.pipeline]


def window(cfg, part):
    found = [s for s in steps(cfg, part) if s['type'] == 'DriftingCrop']
    return found[0] if found else None


@pytest.mark.parametrize('paper', [False, True])
def test_rows_differ_in_camera_pretraining_and_remedy(paper, tmp_path):
    p = (
        Paper(root=tmp_path, data=tmp_path, seeds=1)
        if paper
        else Tiny(root=tmp_path, seeds=1)
    )
    rows = panned(p).rows
    assert len(rows) == 2 * (len(PRETRAININGS) + len(REMEDY))
    for row in rows:
        cfg = p.runs[row.finetunes[0]].resolve(p.root, p.runs)
        is_panned = row.condition.split(': ')[-2 if paper else 0].endswith(
            'panned'
        )
        for part in ('val', 'test'):
            assert window(cfg, part)['max_drift'] == 0.25 * is_panned
        drifts = window(cfg, 'train') is not None
        assert drifts == ('DriftingCrop' in row.condition)
        assert (row.pretrains == []) == ('scratch' in row.condition)
        if row.pretrains:
            first = p.runs[row.pretrains[0]].resolve(p.root, p.runs)
            kinds = [dict(s) for s in steps(first, 'train')]
            camera = [s for s in kinds if s['type'] == 'DrawMovingBackground']
            assert bool(camera) == ('background' in row.condition)
            if camera:
                label = camera[0].get('label', 'absolute')
                assert f'{label} labels' in row.condition
            assert first.model.cls_head.get('separate', False) == (
                'separate' in row.condition
            )
    # At rest and panned, the same training: only the test differs.
    half = len(rows) // 2
    for moving, still in zip(rows[:half], rows[half:]):
        assert moving.pretrains == still.pretrains
        one, two = (
            p.runs[r.finetunes[0]].resolve(p.root, p.runs)
            for r in (moving, still)
        )
        assert steps(one, 'train') == steps(two, 'train')
        assert one.randomness == two.randomness
    for row in rows:
        assert row.baseline in (None, rows[0], rows[half])


@pytest.mark.parametrize('drift', [0.0, 0.25])
def test_windows_of_a_test_clip(drift):
    options = camera_options('tiny/finetune_r2p1d_weizmann', drift)
    step = [
        s
        for s in options['val_dataloader.dataset.pipeline']
        if s['type'] == 'DriftingCrop'
    ][0]
    crop = TRANSFORMS.build(step)
    frame = np.arange(100 * 120, dtype=np.int32).reshape(100, 120, 1)
    corners = []
    for seed in range(30):
        results = dict(
            imgs=[frame] * 8, rng=np.random.default_rng(seed), num_clips=1
        )
        out = crop(results)['imgs']
        assert {img.shape for img in out} == {(80, 96, 1)}
        corners.append([divmod(int(img[0, 0, 0]), 120) for img in out])
    way = np.ptp(np.array(corners), axis=1)  # (30, 2)
    assert (way.max(0) > 12).all() if drift else (way == 0).all()
    assert (way <= (20, 24)).all()
