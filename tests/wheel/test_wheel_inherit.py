"""How another project's config can, and cannot, inherit one of ours.

What the documentation says about it; with the wheel, tests/wheel/run.py.
"""

import os
import shutil
from pathlib import Path

import pytest
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError
from mmengine.registry import init_default_scope

from mosi_mmaction import config_path, set_motion
from mosi_mmaction.config.lookup import find_config

PROJECT = Path(__file__).parent / 'foreign_project'
NAME = 'mosi_r2p1d_hmdb'
READ_BASE = 'from mmengine.config import read_base\nwith read_base():\n    '


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Function that reads the text of a config in another project."""
    folder = tmp_path / 'another project'
    folder.mkdir()
    monkeypatch.chdir(folder)

    def fromfile(text):
        Path('leaf.py').write_text(text + '\n')
        return Config.fromfile('leaf.py')

    return fromfile


@pytest.mark.parametrize(
    'text',
    [
        f"_base_ = [__import__('mosi_mmaction').config_path('{NAME}')]",
        f"_base_ = __import__('mosi_mmaction').config_path('{NAME}.py')",
        f"_base_ = '{{{{$MOSI_CONFIGS:unset}}}}/{NAME}.py'",
        # After the line an import is legal, and leaves nothing behind.
        f"_base_ = [__import__('mosi_mmaction').config_path('{NAME}')]\n"
        'from mosi_mmaction import set_motion\n'
        'set_motion(_base_)',
    ],
)
def test_what_works(read, monkeypatch, text):
    monkeypatch.setenv('MOSI_CONFIGS', os.path.dirname(config_path(NAME)))
    ours = Config.fromfile(config_path(NAME))
    assert read(text).to_dict() == ours.to_dict()


@pytest.mark.parametrize(
    'text, error, why',
    [
        # A package and a *folder* are asked for; our names have none.
        (
            f"_base_ = 'mosi_mmaction::{NAME}.py'",
            ValueError,
            'relative config',
        ),
        # Which packages there are is a fixed table of MMEngine's.
        (
            "_base_ = 'mosi_mmaction::tiny/mosi_r2p1d_deadleaves.py'",
            AssertionError,
            'does not support to load mosi_mmaction',
        ),
        # Relative to the file that says so, not to an installed package.
        (f"_base_ = 'configs/{NAME}.py'", FileNotFoundError, 'leaf|configs'),
        (f"_base_ = '{NAME}'", FileNotFoundError, NAME),
        # An import before it makes it a pure-Python config; ours are text.
        (
            f'from mosi_mmaction import config_path\n'
            f"_base_ = [config_path('{NAME}')]",
            ConfigParsingError,
            'lazy_import',
        ),
        (
            READ_BASE + f'from mosi_mmaction.configs.{NAME} import *',
            ConfigParsingError,
            'not found',
        ),
        # The line is evaluated on its own.
        (
            f"name = '{NAME}'\n"
            "_base_ = [__import__('mosi_mmaction').config_path(name)]",
            NameError,
            'name',
        ),
    ],
)
def test_what_does_not(read, text, error, why):
    with pytest.raises(error, match=why):
        read(text)


def test_the_foreign_project(tmp_path):
    shutil.copytree(PROJECT, tmp_path / 'project')
    cfg = Config.fromfile(tmp_path / 'project' / 'mosi_slowonly.py')
    ours = Config.fromfile(config_path(NAME))
    # Only what it says differs: the labels and the network.
    assert cfg.train_dataloader.dataset != ours.train_dataloader.dataset
    set_motion(ours, axes='x', num_speeds=3)
    assert cfg.train_dataloader.dataset == ours.train_dataloader.dataset
    assert cfg.model.data_preprocessor == ours.model.data_preprocessor
    assert cfg.custom_imports == ours.custom_imports
    assert 'conv_cfg' in ours.model.backbone
    assert 'conv_cfg' not in cfg.model.backbone
    init_default_scope('mmaction')
    model = MODELS.build(cfg.model)
    assert type(model.backbone).__name__ == 'ResNet3dSlowOnly'
    assert model.cls_head.num_classes == 3


def test_config_as_tools_take_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(NAME) == config_path(NAME)
    Path('mine.py').touch()
    assert find_config('mine.py') == 'mine.py'
    # A file in sight goes before a name; a leaf may be called like its base.
    Path(f'{NAME}.py').touch()
    assert find_config(f'{NAME}.py') == f'{NAME}.py'
    assert config_path(f'{NAME}.py') != f'{NAME}.py'
    with pytest.raises(FileNotFoundError) as error:
        find_config('mosi_r2p1d_hmbd')
    assert "no file 'mosi_r2p1d_hmbd'" in str(error.value)
    assert 'did you mean mosi_r2p1d_hmdb' in str(error.value)


def test_our_configs_import_as_any_code_does():
    configs = Path(config_path(NAME)).parent
    for path in configs.rglob('*.py'):
        for line in path.read_text(encoding='utf-8').splitlines():
            assert '__import__(' not in line or 'config_path(' in line, path
