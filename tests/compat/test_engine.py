"""MMEngine and its fork: one, whole, and neither runs code in a file."""

import base64
import hashlib
import pickle
import sys
from importlib import metadata

import mmengine
import pytest
import torch
from mmengine.runner import CheckpointLoader, checkpoint

from mosi_mmaction.compat import engine

RECORD = '{},sha256={},{}\n'


def distribute(root, name, version, files):
    """Install a distribution's files and metadata; -> its directory."""
    info = root / f'{name.replace("-", "_")}-{version}.dist-info'
    info.mkdir(parents=True)
    (info / 'METADATA').write_text(f'Name: {name}\nVersion: {version}\n')
    record = ''
    for path, text in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
        digest = hashlib.sha256(text.encode()).digest()
        digest = base64.urlsafe_b64encode(digest).decode().rstrip('=')
        record += RECORD.format(path, digest, len(text))
    (info / 'RECORD').write_text(record)
    return info


@pytest.fixture
def both(tmp_path, monkeypatch):
    """The fork, installed over the original."""
    for name, version, word in (
        ('mmengine', '0.10.7', 'original'),
        ('onedl-mmengine', '0.10.12', 'fork'),
    ):
        info = distribute(
            tmp_path,
            name,
            version,
            {
                'mmengine/version.py': f'{version!r}\n',
                'mmengine/both.py': word,
                f'mmengine/{word}.py': word,
            },
        )
        assert metadata.Distribution.at(info).version == version
    found = {
        d.metadata['Name']: d
        for d in metadata.distributions(path=[str(tmp_path)])
    }
    monkeypatch.setattr(metadata, 'distribution', found.__getitem__)
    return tmp_path


def test_one_installed_over_the_other_is_whole(both):
    engine.check_mmengine()


@pytest.mark.parametrize('damage', ['removed', 'of the other'])
def test_a_mixture_is_an_error_with_the_command(both, damage):
    path = both / 'mmengine' / 'both.py'
    if damage == 'removed':
        path.unlink()
    else:
        path.write_text('original')
    with pytest.raises(ImportError, match='mixed.*pip uninstall -y mmengine'):
        engine.check_mmengine()


@pytest.mark.parametrize(
    'version, fits',
    [
        ('0.10.2', False),
        ('0.10.3', True),
        ('0.10.12', True),
        ('0.11.0', False),
        ('1.0.0', False),
    ],
)
def test_range_of_versions(version, fits, monkeypatch):
    monkeypatch.setattr(mmengine, '__version__', version)
    if fits:
        engine.check_mmengine()
        return
    with pytest.raises(ImportError, match=f'found {version}: run `pip'):
        engine.check_mmengine()


def test_a_missing_part_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmengine.runner', None)
    with pytest.raises(ImportError, match='part or all is missing: run `pip'):
        engine.check_mmengine()


def fork_loads(file, map_location=None, weights_only=None):
    """What the fork does: try, and then trust."""
    try:
        return torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError:
        return torch.load(file, map_location=map_location, weights_only=False)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_the_fork_refuses_code_as_the_original_does(tmp_path, monkeypatch):
    path, trace = tmp_path / 'hostile.pth', tmp_path / 'was run'
    torch.save({'state_dict': {}, 'message_hub': Hostile(trace)}, path)
    monkeypatch.setattr(
        checkpoint, '_safe_torch_load', fork_loads, raising=False
    )
    engine.refuse_code_in_checkpoints()
    with pytest.raises(pickle.UnpicklingError):
        checkpoint._safe_torch_load(str(path))
    with pytest.raises(ValueError, match='refused'):
        CheckpointLoader.load_checkpoint(str(path))
    assert not trace.exists()
