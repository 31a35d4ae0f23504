"""Published files and networks by name."""

import re
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from helpers import launch
from helpers.paths import ROOT
from mosi_mmaction import config_path, load_backbone, zoo_entries
from mosi_mmaction.apis.networks import load_network
from mosi_mmaction.checkpoints import zoo
from mosi_mmaction.checkpoints.files import save_published

TINY = 'tiny/mosi_r2p1d_deadleaves'


def tiny_config(**changes):
    cfg = Config.fromfile(config_path(TINY))
    config = cfg.model.backbone.to_dict()
    return dict(config, base_channels=4, **changes)


def checkpoint(config):
    """Return what a run would have saved."""
    init_default_scope('mmaction')
    torch.manual_seed(0)
    network = MODELS.build(dict(config))
    weights = {
        f'backbone.{k}': torch.randn_like(v) if v.is_floating_point() else v
        for k, v in network.state_dict().items()
    }
    weights['cls_head.fc_cls.weight'] = torch.ones(9, 32)
    made = dict(
        version='0',
        backbone=config,
        data=dict(type='DeadLeavesDataset', samples=4),
    )
    return dict(
        state_dict=weights,
        optimizer=dict(state={}),
        message_hub={},
        meta=dict(
            mosi_mmaction=made,
            seed=3,
            epoch=2,
            cfg='',
            iter=9,
            experiment_name='tiny_20261122_101112',
        ),
    )


@pytest.fixture
def saved(tmp_path):
    content = checkpoint(tiny_config())
    path = tmp_path / 'epoch_2.pth'
    torch.save(content, path)
    return content, path


def test_backbone_of_a_file(saved):
    content, path = saved
    network = load_backbone(path)
    assert not network.training
    told = {
        k: v
        for k, v in content['state_dict'].items()
        if k.startswith('backbone.')
    }
    loaded = network.state_dict()
    assert len(loaded) == len(told) > 60
    for name, value in loaded.items():
        assert torch.equal(value, told[f'backbone.{name}']), name
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 4, 16, 16)).shape[:2] == (1, 32)


def test_damaged_file_is_refused(saved, tmp_path):
    content, _ = saved
    del content['optimizer'], content['message_hub']
    path = Path(save_published(content, str(tmp_path / 'net')))
    assert re.fullmatch(r'net-[0-9a-f]{8}\.pth', path.name)
    load_backbone(path)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=f'{path.name}.*SHA-256'):
        load_backbone(path)


def test_unknown_names_and_entries_without_a_file():
    with pytest.raises(
        ValueError, match="'nothing' is neither a file nor in the zoo"
    ):
        load_backbone('nothing')
    name = next(k for k, v in zoo_entries().items() if not v.get('Weights'))
    with pytest.raises(
        ValueError, match=f'{name}: no file exists yet; configs/'
    ):
        load_backbone(name)


@pytest.mark.parametrize(
    'change, said',
    [
        (dict(type='os.system'), 'os.system'),
        (
            dict(norm_cfg=dict(type='subprocess.check_call', args=['true'])),
            'subprocess.check_call',
        ),
    ],
)
def test_a_file_may_not_ask_for_other_code(saved, change, said):
    content, path = saved
    content['meta']['mosi_mmaction']['backbone'].update(change)
    torch.save(content, path)
    with pytest.raises(ValueError, match=f'refused.*{said}'):
        load_backbone(path)


def test_a_file_of_another_network(saved):
    content, path = saved
    content['meta']['mosi_mmaction']['backbone']['base_channels'] = 8
    torch.save(content, path)
    with pytest.raises(ValueError, match='another shape.*conv1'):
        load_backbone(path)
    del content['meta']['mosi_mmaction']
    torch.save(content, path)
    with pytest.raises(ValueError, match='does not say which'):
        load_backbone(path)


def test_downloads_are_checked(saved, tmp_path, monkeypatch):
    content, _ = saved
    path = Path(save_published(content, str(tmp_path / 'there')))
    entry = dict(
        Config='c',
        Weights=path.as_uri(),
        Metadata=dict(SHA256=zoo.check_digest(path, '')),
    )
    monkeypatch.setattr(zoo, 'zoo_entries', lambda: dict(net=entry))
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    load_backbone('net')
    path.unlink()
    load_backbone('net')  # without a connection
    entry['Metadata']['SHA256'] = '0' * 64
    with pytest.raises(ValueError, match='should begin with 0000'):
        load_backbone('net')
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'new'))
    save_published(content, str(tmp_path / 'there'))
    with pytest.raises(ValueError, match='net: what was downloaded'):
        load_backbone('net')
    assert not [p for p in (tmp_path / 'new').rglob('*') if p.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize('half', [False, True])
def test_publish_model(saved, tmp_path, half):
    content, path = saved
    log = tmp_path / 'log'
    options = ['--out', tmp_path / 'zoo', '--date', '20260102']
    options += ['--half'] * half
    code = launch.run('publish_model.py', path, *options, log=log)
    said = log.read_text()
    assert code == 0, said[-2000:]
    names = sorted(p.name for p in (tmp_path / 'zoo').iterdir())
    assert re.fullmatch(
        r'tiny_20260102-\w{8}\.pth tiny_backbone_20260102-\w{8}\.pth',
        ' '.join(names),
    )
    assert 'ResNet2Plus1d of MMAction2' in said
    sizes = [(tmp_path / 'zoo' / name).stat().st_size for name in names]
    assert (max(sizes) < 0.8 * path.stat().st_size) == half, sizes
    for name in names:
        file = torch.load(tmp_path / 'zoo' / name, weights_only=True)
        for key, value in file['state_dict'].items():
            half_here = half and value.ndim > 1
            assert (value.dtype == torch.float16) == half_here, key
        assert set(file) == {'meta', 'state_dict'}
        assert zoo.check_digest(tmp_path / 'zoo' / name, '') in said
        load_backbone(tmp_path / 'zoo' / name)
    assert 'cls_head.fc_cls.weight' not in file['state_dict']
    network = load_backbone(tmp_path / 'zoo' / names[0])
    count = sum(p.numel() for p in network.parameters()) + 9 * 32
    assert f'Parameters: {count}\n' in said


def test_entries_are_complete_and_shipped_files_whole():
    entries = zoo_entries()
    assert entries
    for name, entry in entries.items():
        assert (ROOT / entry['Config']).is_file(), name
        weights = entry.get('Weights')
        if weights:
            path = ROOT / weights
            assert path.stat().st_size < 5e6
            zoo.check_digest(path, entry['Metadata']['SHA256'])
            assert f'-{entry["Metadata"]["SHA256"][:8]}.' in path.name
            network = load_network(name)[0]
            count = sum(p.numel() for p in network.parameters())
            assert entry['Metadata']['Parameters'] == count
