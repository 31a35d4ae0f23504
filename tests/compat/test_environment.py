"""Settings that configs take from the environment."""

import pytest
from mmengine.config import Config

from helpers.paths import ROOT
from mosi_mmaction.compat import imports as compat

compat.apply()


@pytest.mark.parametrize(
    'name',
    [
        'O\'Brien\'s "photos"',
        r'C:\new\1\u',
        'ends in \\',
        'a {b} é',
        '\udce9 is a byte',
        'plain/path',
    ],
)
def test_paths_of_the_environment_are_taken_as_they_are(
    name, tmp_path, monkeypatch
):
    for variable in ('MOSI_DATA', 'MOSI_SPLITS', 'MOSI_PRETRAINED'):
        monkeypatch.setenv(variable, name)
    configs = ROOT / 'configs'
    cfg = Config.fromfile(configs / 'tiny/mosi_r2p1d_images.py')
    assert cfg.train_dataloader.dataset.data_root == name
    cfg = Config.fromfile(configs / 'tiny/finetune_r2p1d_weizmann.py')
    assert cfg.load_from == name
    dataset = cfg.test_dataloader.dataset
    assert dataset.data_prefix.video == name
    assert dataset.ann_file == f'{name}/test.txt'
    cfg.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').load_from == name


def test_expressions_of_the_environment_stay_expressions(
    tmp_path, monkeypatch
):
    config = tmp_path / 'a.py'
    config.write_text("n = {{'$A_NUMBER:80'}}\nd = '{{$A_NONE:data}}/x'\n")
    assert Config.fromfile(config).to_dict() == dict(n=80, d='data/x')
    monkeypatch.setenv('A_NUMBER', "['a', 3]")
    assert Config.fromfile(config).n == ['a', 3]
