"""Every workaround of compat, in processes of their own where it matters."""

import sys

import pytest

from helpers.compat_process import LOAD_COMPAT, run
from helpers.paths import ROOT
from mosi_mmaction.compat import imports as compat

compat.apply()


def run_code(code, path='', **env):
    status, out, err = run('-c', code, path=path, **env)
    assert status == 0, err
    return out.strip().splitlines()


# ------------------------------------------------------------ import orders
def test_mmaction_models_import_after_apply():
    out = run_code(
        LOAD_COMPAT
        + """
tops = {name.partition('.')[0] for name in sys.modules}
assert not tops & {'mmaction', 'mmcv'}
compat.apply()
drn = sys.modules['mmaction.models.localizers.drn.drn']
compat.apply()
import mmaction.models
from mmaction.registry import MODELS
assert sys.modules['mmaction.models.localizers.drn.drn'] is drn
print(MODELS.get('ResNet2Plus1d').__module__)
try:
    mmaction.models.localizers.DRN()
except NotImplementedError as error:
    print(error)
"""
    )
    assert out[0] == 'mmaction.models.backbones.resnet2plus1d'
    assert 'mmaction2#2714' in out[1]


def test_apply_after_mmaction_failed_to_import():
    out = run_code(
        LOAD_COMPAT
        + """
import mmaction
try:
    import mmaction.models
except ModuleNotFoundError as error:
    print(error.name)
compat.apply()
import mmaction.models
print(mmaction.models.ResNet2Plus1d.__name__)
"""
    )
    assert out == ['mmaction.models.localizers.drn', 'ResNet2Plus1d']


def test_package_imports_after_mmaction():
    assert run_code("""
import mmaction
import mosi_mmaction
from mmaction.registry import MODELS
print(MODELS.get('Recognizer3D').__name__)
""") == ['Recognizer3D']


# ------------------------------------------------------------- requirements
def test_missing_mmcv_is_one_sentence_with_the_command():
    out = run_code(
        LOAD_COMPAT
        + """
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'mmcv':
            raise ModuleNotFoundError(f'no {name}', name=name)
sys.meta_path.insert(0, Block())
try:
    compat.apply()
except ImportError as error:
    print(error)
"""
    )
    assert out == [
        'mosi_mmaction needs mmcv>=2.0.1,<2.2, which is missing: '
        'run `pip install "mosi_mmaction[lite]"`'
    ]


@pytest.mark.parametrize(
    'version, fits',
    [
        ('1.7.2', False),
        ('2.0.0', False),
        ('2.0.1', True),
        ('2.1.0', True),
        ('2.2.0', False),
    ],
)
def test_range_of_mmcv(version, fits, monkeypatch):
    import mmcv

    monkeypatch.setattr(mmcv, '__version__', version)
    if fits:
        compat.check_mmcv()
        return
    with pytest.raises(ImportError) as info:
        compat.check_mmcv()
    assert str(info.value) == (
        f'mosi_mmaction needs mmcv>=2.0.1,<2.2, but found {version}: run '
        '`pip uninstall -y mmcv mmcv-lite mmcv-full && pip install '
        '"mosi_mmaction[lite]"`'
    )


def test_broken_requirement_of_mmcv_is_not_called_a_missing_mmcv(
    tmp_path, monkeypatch
):
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text('import not_there_at_all')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, 'mmcv')
    with pytest.raises(ModuleNotFoundError, match="'not_there_at_all'"):
        compat.check_mmcv()


def test_missing_importlib_metadata_names_the_command(monkeypatch):
    setup = (ROOT / 'setup.cfg').read_text()
    requires = setup.partition('install_requires =')[2].partition('\n\n')[0]
    assert 'importlib_metadata' in requires.split()
    monkeypatch.setitem(sys.modules, 'importlib_metadata', None)
    with pytest.raises(ImportError, match='`pip install importlib_metadata`'):
        compat.check_importlib_metadata()


# ----------------------------------------------------------- mmaction's gaps
def test_real_drn_is_used_where_it_lies_on_disk(tmp_path, monkeypatch):
    name = 'mmaction.models.localizers.drn.drn'
    drn = tmp_path / 'mmaction' / 'models' / 'localizers' / 'drn'
    drn.mkdir(parents=True)
    for folder in (drn.parents[2], drn.parents[1], drn.parent):
        (folder / '__init__.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    for module in ('mmaction', name):
        monkeypatch.delitem(sys.modules, module)
    compat.stand_in_for_drn()
    assert sys.modules.pop(name).DRN
    (drn / 'drn.py').touch()
    compat.stand_in_for_drn()
    assert name not in sys.modules
    assert 'mmaction' not in sys.modules  # looking does not import it


def fake_distribution(root, name, version, modules):
    """Write an importable, installed-looking distribution."""
    info = root / f'{name}-{version}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
    )
    for module in modules:
        folder = root.joinpath(*module.split('.'))
        folder.mkdir(parents=True, exist_ok=True)
        for package in (folder, *folder.parents):
            if package == root:
                break
            (package / '__init__.py').write_text(
                'def __getattr__(name):\n'
                '    if name[:2] == "__":\n'
                '        raise AttributeError(name)\n'
                '    return object\n'
            )
        # The names are looked for in the source.
        names = compat._MULTIMODAL_IMPORTS.get(module, [])
        with open(folder / '__init__.py', 'a') as file:
            file.writelines(f'# {name}\n' for name in names)


TRANSFORMERS = [m for m in compat._MULTIMODAL_IMPORTS if 'transf' in m]


def test_multimodal_models_that_cannot_import_are_switched_off(tmp_path):
    fake_distribution(tmp_path, 'transformers', '4.40.0', TRANSFORMERS)
    out = run_code(
        LOAD_COMPAT
        + """
compat.apply()
import mmaction.models
from mmaction.registry import MODELS
try:
    MODELS.build(dict(type='VindLUVQA'))
except ImportError as error:
    print('multi-modal dependencies' in str(error))
""",
        path=tmp_path,
    )
    assert out == ['True']


def test_multimodal_models_that_can_import_are_left_on(tmp_path):
    fake_distribution(tmp_path, 'transformers', '4.40.0', TRANSFORMERS)
    fake_distribution(tmp_path, 'timm', '0.9.0', ['timm.models.layers'])
    out = run_code(
        LOAD_COMPAT
        + """
compat.disable_broken_multimodal()
from mmaction.utils.dependency import WITH_MULTIMODAL
print(WITH_MULTIMODAL)
""",
        path=tmp_path,
    )
    assert out == ['True']


# ------------------------------------------------- mmengine's package helpers
def test_package_helpers_without_pkg_resources(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("_base_ = 'mmaction::_base_/default_runtime.py'")
    out = run_code(
        LOAD_COMPAT
        + f"""
sys.modules['pkg_resources'] = None  # what `import` takes for missing
import json, mmengine.hub
from mmengine.config import Config
from mmengine.utils import get_installed_path, is_installed
compat.replace_pkg_resources()
for helpers in (mmengine.utils, mmengine.config.config,
                mmengine.utils.package_utils):
    assert helpers.is_installed is compat._is_installed
assert mmengine.hub.hub.get_installed_path is compat._get_installed_path
from mmengine.utils import get_installed_path, is_installed
print(*[is_installed(name) for name in
        ('mmaction2', 'mmaction', 'mmcv-lite', 'not_there_at_all')])
import mmcv
from pathlib import Path
here = Path(mmcv.__file__).parents[1]
for name in ('mmaction2', 'mmaction', 'mmengine'):
    print(Path(get_installed_path(name)).relative_to(here))
try:
    get_installed_path('not_there_at_all')
except ModuleNotFoundError as error:
    print(error)
print(Config.fromfile({str(config)!r}).default_scope)
"""
    )
    assert out[0] == 'True True True False'
    assert out[1:4] == ['mmaction', 'mmaction', 'mmengine']
    assert 'not_there_at_all' in out[4]
    assert out[5] == 'mmaction'


def test_package_helpers_stay_where_pkg_resources_exists(
    tmp_path, monkeypatch
):
    (tmp_path / 'pkg_resources.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(compat.package_utils, 'is_installed', len)
    compat.replace_pkg_resources()
    assert compat.package_utils.is_installed is len
