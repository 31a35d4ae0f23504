"""The benchmark tool reports what it measured; no test looks at a clock."""

import importlib
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from helpers.paths import TOOLS
from mosi_mmaction import LabelPool, config_path, render_on_device
from mosi_mmaction.benchmarks import official, pipeline, render
from mosi_mmaction.benchmarks.index import write_list
from mosi_mmaction.benchmarks.pipeline import packed_dataset
from mosi_mmaction.benchmarks.render import draw
from mosi_mmaction.benchmarks.timing import take_turns
from mosi_mmaction.benchmarks.train import data_wait, teraflop

TOOL = TOOLS / 'benchmark.py'


@pytest.fixture(scope='module')
def tool():
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOL.parent)
        yield importlib.import_module('benchmark')
    torch.set_num_threads(threads)


@pytest.fixture
def run(tool, capsys):
    def run(*argv):
        tool.main([str(a) for a in argv])
        out = capsys.readouterr().out  # the progress bar is on stderr
        lines = [json.loads(line) for line in out.splitlines()]
        return {line.pop('case'): line for line in lines}

    return run


def test_video_reads_the_right_frames_beside_stock(run, tmp_path):
    pytest.importorskip('decord')
    from helpers.video_files import write

    path = tmp_path / 'a.avi'
    write(path, 'mpeg4', options=dict(bf='2'))
    found = run('video', '--videos', path, '--repeats', 1)
    assert found['the process that decodes']['mb_of_8'] > 0
    for name in ('training sample', 'test of 10 clips', 'random frame'):
        case = found[f'a.avi, {name}']
        assert case['decoder'] == 'pyav' and case['by_time_stamps']
        assert case['ms'] > 0 and case['first_ms'] > 0 and case['stock_ms'] > 0
    # Its keyframes are ten frames apart: decord seeks, and goes astray.
    stock = found['a.avi, test of 10 clips']['other_frames_of_stock']
    assert stock.endswith('of 160')


def test_turns_are_medians_without_the_warm_up():
    ticks = iter(
        [
            0,
            100,
            100,
            300,  # warm-up: a 100, b 200
            300,
            301,
            301,
            311,
            311,
            314,
            314,
            334,
            334,
            336,
            336,
            366,
        ]
    )
    order = []
    times = take_turns(
        {'a': lambda: order.append('a'), 'b': lambda: order.append('b')},
        3,
        clock=lambda: next(ticks),
    )
    assert times == {'a': 2, 'b': 20}  # of 1, 3, 2 and of 10, 20, 30
    assert order == ['a', 'b'] * 4


@pytest.fixture
def known_times(monkeypatch):
    """Let every case run once, and take a time that is written here."""
    table = dict(
        copy=0.002, over=0.001, made=0.0288, official=0.060, ours=0.002
    )

    def take_turns(cases, repeats, clock=None):
        for run in cases.values():
            run()
        names = [n[1] if isinstance(n, tuple) else n for n in cases]
        return dict(zip(cases, (table[n] for n in names)))

    for module in (official, pipeline, render):
        monkeypatch.setattr(module, 'take_turns', take_turns)
    return table


def test_render(run, known_times):
    known_times.update(device=0.012, worker=0.004)
    cases = run('render', '--repeats', 1)
    for name, case in cases.items():
        if 'render_batch' in name:
            assert (case['ms'], case['worker_ms']) == (12, 4)
            assert case['ratio'] == 3
            continue
        assert case['peer'] == 'copy of the clips'
        assert (case['ms'], case['copy_ms']) == (28.8, 2)
        assert case['ratio'] == 14.4
        assert case['ratio_without_allocation'] == 28.8
    assert cases['mask+jitter']['us_per_frame'] == 200  # of 9 x 16
    assert cases['mask+jitter, 32 frames']['us_per_frame'] == 100
    assert {'plain', 'mask', 'jitter', 'mask+jitter'} <= set(cases)
    assert [
        cases[f'mask+jitter, {n} speeds']['clips'] for n in (3, 5, 7, 9)
    ] == [5, 9, 13, 17]
    assert [
        cases[f'mask+jitter, {n} frames']['frames'] for n in (8, 16, 32, 64)
    ] == [8, 16, 32, 64]


def test_cases_differ_in_what_they_draw(rng):
    plan = draw(rng, num_speeds=7, clip_len=8)
    assert plan.pool == LabelPool(7)
    assert plan.shape == (13, 8, 112, 112, 3)
    assert plan.source_size == (320, 320)
    assert plan.boxes is not None and plan.color is not None
    assert draw(rng, mask=False).boxes is None
    assert draw(rng, jitter=False).color is None


def test_render_times_a_local_clone(run, tmp_path, known_times):
    known_times.update(device=1, worker=1)
    # Stands in for the release, which is not ours to ship: the same place
    # and the same call.
    package = tmp_path / 'sslgenerators' / 'mosi'
    package.mkdir(parents=True)
    (package / 'mosi_generator.py').write_text("""
class MoSIGenerator:
    def __init__(self, cfg, split):
        assert cfg.DATA.TRAIN_CROP_SIZE == 112 and split == 'train'
        assert cfg.VIDEO.HEAD.NUM_CLASSES == 5
        assert cfg.PRETRAIN.STANDARD_SIZE == 320
        assert cfg.AUGMENTATION.HUE == 0.25

    def __call__(self, data, index):
        assert data['video'].shape == (1, 320, 320, 3)
        data['video'] = data['video'].float()
        return data, {}
""")
    case = run('render', '--repeats', 1, '--official', tmp_path)[
        "mask+jitter, authors' release"
    ]
    assert (case['ms'], case['ours_ms'], case['ratio']) == (60, 2, 30)


def test_official_without_a_clone(run, tmp_path):
    with pytest.raises(FileNotFoundError, match='no mosi_generator.py'):
        run('render', '--repeats', 1, '--official', tmp_path)


def test_official_that_does_not_import_is_said_at_once(run, tmp_path):
    (tmp_path / 'mosi_generator.py').write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    with pytest.raises(ImportError, match='nms does not exist.*torchvision'):
        run('render', '--repeats', 1, '--official', tmp_path)


def test_pipeline(run, tmp_path, known_times, monkeypatch):
    known_times.update(bare=0.03, pillow=0.06, worker=0.12, device=0.045)
    # Three images decoded, or twenty rendered; and what arrives.
    monkeypatch.setattr(pipeline, 'seconds', lambda run, clock: run() or 0.06)
    measure = pipeline.Arrival.measure
    monkeypatch.setattr(
        pipeline.Arrival,
        'measure',
        lambda *args: measure(*args) and (0.03, 0.001),
    )
    rng = np.random.default_rng(0)
    for i in range(3):
        cv2.imwrite(
            str(tmp_path / f'{i} a.jpg'),
            rng.integers(0, 256, (200, 300, 3), dtype=np.uint8),
        )
    (tmp_path / 'notes.txt').write_text('not an image')
    cases = run('pipeline', '--images', tmp_path, '--repeats', 1, '--batch', 2)
    arrived = [cases.pop(k) for k in list(cases) if 'in the trainer' in k]
    assert len(arrived) == 2
    for case in arrived:
        assert case['images'] == 2
        assert (case['ms'], case['trainer_ms']) == (30, 1)
        assert (case['bare_ms'], case['render_ms']) == (20, 3)
        assert (case['ratio'], case['times_rendering']) == (0.6667, 10)
    told = {
        name: [case[k] for k in ('ms', 'images_per_second', 'ratio')]
        for name, case in cases.items()
    }
    assert told == {
        'decode and resize': [10, 100, 1],
        'decode and resize, Pillow': [20, 50, 0.5],
        'packed sample, rendered in the worker': [40, 25, 0.25],
        'packed sample, rendered on the device': [15, 66.67, 0.6667],
    }
    assert all(case['images'] == 3 for case in cases.values())


def test_pipeline_packs_clips_or_images(tmp_path, textured):
    cv2.imwrite(str(tmp_path / 'a.jpg'), textured((200, 300)))
    clips = packed_dataset(str(tmp_path), ['a.jpg'], None)[0]
    assert clips['inputs'].shape == (9, 3, 16, 112, 112)
    image = packed_dataset(str(tmp_path), ['a.jpg'], render_on_device)[0]
    assert image['inputs'].shape == (3, 320, 320)


@pytest.mark.parametrize(
    'folder, said',
    [('', 'no image file'), ('nowhere', 'there is no directory')],
)
def test_pipeline_without_images(run, tmp_path, folder, said):
    with pytest.raises(FileNotFoundError, match=said):
        run('pipeline', '--images', tmp_path / folder)


def test_index(run):
    cases = run('index', '--n', 20_000, '--workers', 2)
    resident, first = cases['resident'], cases['first sample']
    together = cases['2 workers']
    assert resident['n'] == first['n'] == together['n'] == 20_000
    assert resident['bytes_of_a_path'] == pytest.approx(30, abs=2)
    assert first['seconds'] >= first['list_seconds'] > 0
    # Two workers share what one of them would hold.
    assert 0 < together['ratio'] < 2


PSS = """
import mmap
from mosi_mmaction.benchmarks.timing import pss
block = mmap.mmap(-1, 64 * 2**20)
before = pss()
block.write(bytes(len(block)))
print(pss() - before)
"""


def test_pss_sees_memory():
    # In a process of its own: here pages are shared with workers of earlier
    # tests, which may end in between.
    out = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', PSS],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert int(out.splitlines()[-1]) == pytest.approx(64 * 2**20, rel=0.1)


def test_list_of_the_index(tmp_path):
    path = tmp_path / 'list.txt'
    write_list(path, 5000)
    lines = path.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 5000
    assert lines[0] == 'first.jpg'
    assert lines[1301] == 'n00000001/n00000001_1301.JPEG'


def test_data_wait_counts_the_wait():
    cfg = Config.fromfile(config_path('tiny/mosi_r2p1d_deadleaves'))
    cfg.model.backbone.base_channels = 2
    cfg.model.cls_head.in_channels = 16
    cfg.train_dataloader.update(
        batch_size=1, num_workers=0, persistent_workers=False
    )
    cfg.train_dataloader.dataset.num_images = 6
    init_default_scope('mmaction')
    times = data_wait(cfg, 2)
    assert 0 < times['wait'] < times['step']
    with pytest.raises(ValueError, match='--steps.*has 6 steps'):
        data_wait(cfg, 30)


@pytest.mark.skipif(
    os.environ.get('MOSI_FULL_SIZE') is None,
    reason='minutes on a CPU; set MOSI_FULL_SIZE=1',
)
def test_train(run):
    cases = run('train', '--steps', 2, '--repeats', 1)
    assert cases['R(2+1)D-10, stock']['ratio'] == 1
    assert cases['R(2+1)D-10, fast']['clips'] % 3 == 0


def test_operations_of_a_step_are_counted():
    a = torch.randn(10, 20, requires_grad=True)
    b = torch.randn(20, 30)
    # A product forward, and one backward.
    count = teraflop(lambda: (a @ b).sum().backward())
    assert count == pytest.approx(2 * 2 * 10 * 20 * 30 / 1e12)


def test_every_switch_is_a_recipe_of_its_own():
    from mosi_mmaction.benchmarks.train import SWITCHES, recipe

    names = ['stock', 'fast', 'fast, compiled', 'fast, rendered on the device']
    names += [f'fast, {switch}' for switch in SWITCHES]
    configs = [recipe(name).to_dict() for name in names]
    for i, one in enumerate(configs):
        assert one not in configs[:i], names[i]
    cfg = dict(zip(names, configs))
    fast = cfg['fast']
    for switch, options in SWITCHES.items():
        changed = recipe('fast')
        changed.merge_from_dict(options)
        assert cfg[f'fast, {switch}'] == changed.to_dict()
    assert cfg['fast, fused Adam']['optim_wrapper']['optimizer']['fused']
    assert fast['default_hooks']['fast']['compile'] is False
