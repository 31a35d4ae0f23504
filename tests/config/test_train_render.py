"""Where clips are rendered is decided by the machine, or by a flag."""

import pytest
from mmengine.config import Config

from mosi_mmaction import config_path, render_on_device
from mosi_mmaction.config import running
from mosi_mmaction.config.running import choose_rendering
from mosi_mmaction.config.walk import walk

PRETRAINING = 'tiny/mosi_r2p1d_deadleaves'


def renders(cfg):
    in_worker = [
        step for step in walk(cfg) if step.get('type') == 'RenderPseudoMotion'
    ]
    on_device = cfg.model.data_preprocessor.get('render', False)
    assert bool(in_worker) != on_device
    return 'device' if on_device else 'worker'


@pytest.mark.parametrize(
    'device, where, expected',
    [
        ('cpu', 'auto', 'worker'),
        ('cuda', 'auto', 'device'),
        ('cuda', 'worker', 'worker'),
        ('cpu', 'device', 'device'),
    ],
)
def test_the_machine_or_the_flag(monkeypatch, device, where, expected):
    monkeypatch.setattr(running, 'get_device', lambda: device)
    cfg = Config.fromfile(config_path(PRETRAINING))
    said = choose_rendering(cfg, where)
    assert renders(cfg) == expected
    assert ('in the workers' in said) == (expected == 'worker')
    assert expected == 'worker' or device in said


def test_a_config_that_renders_on_the_device_keeps_to_it():
    cfg = Config.fromfile(config_path(PRETRAINING))
    render_on_device(cfg)
    assert "config's choice" in choose_rendering(cfg, 'auto')
    assert renders(cfg) == 'device'
    with pytest.raises(ValueError, match='--render worker.*remove'):
        choose_rendering(cfg, 'worker')


def test_fine_tuning_renders_nothing():
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
    before = cfg.to_dict()
    assert choose_rendering(cfg, 'auto') is None
    assert cfg.to_dict() == before
    with pytest.raises(ValueError, match='--render device.*fine-tuning'):
        choose_rendering(cfg, 'device')
