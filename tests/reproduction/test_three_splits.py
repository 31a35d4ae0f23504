"""Three splits: each on its own lists, from its own file, told together."""

import json
import os
import subprocess
import sys

import pytest
from mmengine.config import Config

from helpers.paths import ROOT
from mosi_mmaction.synthetic.write import write_action_videos


@pytest.fixture
def three_splits(monkeypatch):
    """The tool as a module."""
    monkeypatch.syspath_prepend(ROOT / 'tools')
    import three_splits

    return three_splits


@pytest.fixture
def data(tmp_path):
    """Empty lists of splits 1 to 3, and a checkpoint of each."""
    for split in (1, 2, 3):
        for part in ('train', 'val'):
            (tmp_path / f'hmdb51_{part}_split_{split}_videos.txt').touch()
        (tmp_path / f'mosi_{split}.pth').touch()
    return tmp_path


def test_every_split_has_its_own_lists_and_file(
    three_splits, data, monkeypatch
):
    monkeypatch.setenv('MOSI_DATA', str(data))
    runs = three_splits.declare(
        str(ROOT / 'configs/finetune_r2p1d_hmdb.py'),
        [1, 2, 3],
        str(data / 'mosi_{split}.pth'),
        epochs=20,
        options={'train_dataloader.batch_size': 7},
    )
    for split, run in enumerate(runs, 1):
        cfg = run.resolve(data, {})
        lists = [
            cfg[loader].dataset.ann_file for loader in three_splits.LOADERS
        ]
        assert lists == [
            str(data / f'hmdb51_{part}_split_{split}_videos.txt')
            for part in ('train', 'val', 'val')
        ]
        assert cfg.load_from == str(data / f'mosi_{split}.pth')
        assert cfg.train_cfg.max_epochs == 20
        assert cfg.train_dataloader.batch_size == 7
        assert run.test
    assert len({run.name for run in runs}) == 3


def test_results_are_of_what_they_started_from(
    three_splits, data, monkeypatch
):
    # A finished run is kept by its spec alone, whatever its folder.
    monkeypatch.setenv('MOSI_DATA', str(data))
    config = str(ROOT / 'configs/finetune_r2p1d_hmdb.py')
    inits = (str(data / 'mosi_1.pth'), str(data / 'mosi_2.pth'), 'none')
    specs = {
        three_splits.declare(config, [1], init)[0].spec({}) for init in inits
    }
    assert len(specs) == 3


def test_from_scratch_and_from_the_config(three_splits, data, monkeypatch):
    monkeypatch.setenv('MOSI_DATA', str(data))
    config = str(ROOT / 'configs/finetune_r2p1d_hmdb.py')
    (scratch,) = three_splits.declare(config, [2], 'none')
    assert scratch.resolve(data, {}).load_from is None
    monkeypatch.setenv('MOSI_PRETRAINED', str(data / 'mosi_1.pth'))
    (own,) = three_splits.declare(config, [2])
    assert own.resolve(data, {}).load_from == str(data / 'mosi_1.pth')


def test_what_is_missing_is_told_before_training(
    three_splits, data, monkeypatch
):
    monkeypatch.setenv('MOSI_DATA', str(data))
    config = str(ROOT / 'configs/finetune_r2p1d_hmdb.py')
    with pytest.raises(FileNotFoundError, match='mosi_4.pth'):
        three_splits.declare(config, [1], str(data / 'mosi_4.pth'))
    (data / 'hmdb51_val_split_3_videos.txt').unlink()
    with pytest.raises(FileNotFoundError, match='val_split_3'):
        three_splits.declare(config, [1, 2, 3], 'none')
    with pytest.raises(ValueError, match='not named after split 1'):
        three_splits.declare(
            str(ROOT / 'configs/tiny/finetune_r2p1d_weizmann.py'), [1]
        )


def test_mean_and_deviation(three_splits):
    table = three_splits.summarize(
        {
            f'split_{i}': dict(final={'acc/top1': value, 'acc/top5': 0.8})
            for i, value in enumerate((0.5, 0.53, 0.44), 1)
        }
    )
    assert table['acc/top1']['mean'] == pytest.approx(0.49)
    # sqrt((0.01² + 0.04² + 0.05²) / 2)
    assert table['acc/top1']['sd'] == pytest.approx(0.0021**0.5)
    assert table['acc/top5']['sd'] == 0


@pytest.mark.long
def test_the_tool_trains_and_tests(tmp_path):
    write_action_videos(tmp_path, 1, 'train')
    write_action_videos(tmp_path, 1, 'test')
    for name, part in (('train', 'train'), ('test', 'val')):
        lines = (tmp_path / f'{name}.txt').read_text().splitlines()
        (tmp_path / f'x_{part}_split_2.txt').write_text('\n'.join(lines[:4]))
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f"""
_base_ = {str(ROOT / 'configs/tiny/finetune_r2p1d_actions.py')!r}
train_dataloader = dict(num_workers=0, persistent_workers=False,
    dataset=dict(ann_file={str(tmp_path / 'x_train_split_1.txt')!r},
                 data_prefix=dict(video={str(tmp_path)!r})))
val_dataloader = dict(num_workers=0, persistent_workers=False,
    dataset=dict(ann_file={str(tmp_path / 'x_val_split_1.txt')!r},
                 data_prefix=dict(video={str(tmp_path)!r})))
test_dataloader = val_dataloader
""")
    done = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            ROOT / 'tools/three_splits.py',
            leaf,
            '--init',
            'none',
            '--splits',
            '2',
            '--epochs',
            '11',
            '--work-dir',
            tmp_path / 'out',
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((tmp_path / 'out/splits.json').read_text())
    folder = tmp_path / 'out/split_2'
    cfg = Config.fromfile(folder / 'config.py', import_custom_modules=False)
    assert 'x_train_split_2' in cfg.train_dataloader.dataset.ann_file
    assert 'x_val_split_2' in cfg.test_dataloader.dataset.ann_file
    assert (folder / 'epoch_11.pth').is_file()
    (path,) = (folder / 'test').glob('*/*.json')
    top1 = json.loads(path.read_text())['acc/top1']
    assert told['metrics']['acc/top1'] == dict(values=[top1], mean=top1, sd=0)
    assert f'acc/top1: {100 * top1:.1f} ± 0.0 %' in done.stdout
