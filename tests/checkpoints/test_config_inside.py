"""The config in a checkpoint: read, never run."""

import pytest
from mmengine.config import Config

from mosi_mmaction.apis.networks import read_config
from mosi_mmaction.checkpoints.config import config_of


@pytest.mark.parametrize(
    'text',
    [
        'model = __import__("os").system("touch ran")',
        'model = dict(type=open)',
        'model = dict(',
        'model = {[]: 1}',
        'model = float(1, 2)',
        'model = dict(1)',
        'model = dict({}, {})',
        'model = dict({"a": open("ran", "w")})',
    ],
)
def test_a_config_in_a_checkpoint_is_not_run(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match='not a config of plain values'):
        config_of(dict(meta=dict(cfg=text)), 'a.pth')
    assert not list(tmp_path.iterdir())


def test_a_config_in_a_checkpoint_sets_names_only():
    text = 'model = dict()\nmodel["type"] = "A"'
    with pytest.raises(ValueError, match=r"line 2 sets model\['type'\]"):
        config_of(dict(meta=dict(cfg=text)), 'a.pth')


def test_a_config_in_a_checkpoint_is_that_of_the_run():
    cfg = read_config('tiny/finetune_r2p1d_weizmann')
    read = config_of(dict(meta=dict(cfg=cfg.pretty_text)), 'a.pth')
    expected = cfg.to_dict()
    assert expected.pop('custom_imports')
    assert read.to_dict() == expected


def test_a_config_in_a_checkpoint_has_keys_that_are_no_names():
    settings = dict(
        paramwise_cfg=dict(custom_keys={'backbone.a': dict(lr_mult=0.1)}),
        rows=[{'a b': 1, 'c': 2}],
        plain=dict(e=3),
    )
    text = Config(settings).pretty_text
    assert text.count('dict({') == 2
    assert config_of(dict(meta=dict(cfg=text)), 'a').to_dict() == settings
