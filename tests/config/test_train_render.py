"""Where clips are rendered is decided by the machine, or by a flag."""

import importlib.util

import pytest
from mmengine.config import Config

from helpers.paths import TOOLS
from mosi_mmaction import config_path, render_on_device
from mosi_mmaction.config.tree import walk

TOOL = TOOLS / 'train.py'
PRETRAINING = 'tiny/mosi_r2p1d_deadleaves'


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('train_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
def test_the_machine_or_the_flag(tool, monkeypatch, device, where, expected):
    monkeypatch.setattr(tool, 'get_device', lambda: device)
    cfg = Config.fromfile(config_path(PRETRAINING))
    said = tool.choose_rendering(cfg, where)
    assert renders(cfg) == expected
    assert ('in the workers' in said) == (expected == 'worker')
    assert expected == 'worker' or device in said


def test_a_config_that_renders_on_the_device_keeps_to_it(tool):
    cfg = Config.fromfile(config_path(PRETRAINING))
    render_on_device(cfg)
    assert "config's choice" in tool.choose_rendering(cfg, 'auto')
    assert renders(cfg) == 'device'
    with pytest.raises(ValueError, match='--render worker.*take'):
        tool.choose_rendering(cfg, 'worker')


def test_fine_tuning_renders_nothing(tool):
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
    before = cfg.to_dict()
    assert tool.choose_rendering(cfg, 'auto') is None
    assert cfg.to_dict() == before
    with pytest.raises(ValueError, match='--render device.*fine-tuning'):
        tool.choose_rendering(cfg, 'device')
