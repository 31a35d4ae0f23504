"""What the tools check before a run starts."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config

from helpers.paths import load_tool
from mosi_mmaction import ActionVideoDataset, config_path
from mosi_mmaction.cli.runs import build_runner, check_held_out


def test_wrong_load_from_is_told_before_anything_is_built(tmp_path):
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_actions'))
    cfg.launcher, cfg.work_dir = 'none', str(tmp_path)
    cfg.load_from = str(tmp_path / 'no such.pth')
    with pytest.raises(FileNotFoundError, match='no such.pth') as error:
        build_runner(cfg)
    assert 'load_from' in str(error.value)
    assert 'MOSI_PRETRAINED' in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def tool():
    return load_tool('test')


def test_a_test_leaves_the_config_of_its_training(tool, tmp_path, monkeypatch):
    trained = tmp_path / 'work_dirs/finetune_r2p1d_actions'
    trained.mkdir(parents=True)
    config = trained / 'finetune_r2p1d_actions.py'
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_actions'))
    cfg.load_from = 'what the training started from.pth'
    cfg.dump(config)
    before = config.read_bytes()
    (trained / 'epoch_1.pth').touch()
    monkeypatch.chdir(tmp_path)
    argv = ['test.py', str(config), str(trained / 'epoch_1.pth')]
    monkeypatch.setattr('sys.argv', argv)
    with pytest.raises(FileNotFoundError, match='there is no list'):
        tool.main()
    assert config.read_bytes() == before
    told = Config.fromfile(trained / 'test_finetune_r2p1d_actions.py')
    assert told.load_from == str(trained / 'epoch_1.pth')


def test_tests_stop_at_what_validations_skip(tool):
    cfg = Config.fromfile(config_path('tiny/mosi_r2p1d_images'))
    tool.merge_args(
        cfg,
        SimpleNamespace(
            config='', checkpoint='a.pth', show=False, show_dir=None, dump=None
        ),
    )
    assert cfg.test_dataloader.dataset.bad_files == 'raise'


@pytest.mark.parametrize('bad_files', [None, 'skip'])
def test_files_at_which_validation_would_stop_are_told_first(
    tmp_path, bad_files
):
    names = ['a b.avi', 'empty.avi', 'gone.avi', 'c.avi']
    for name in names:
        (tmp_path / name).write_bytes(b'' if 'empty' in name else b'x')
    (tmp_path / 'gone.avi').unlink()
    (tmp_path / 'list.txt').write_text(''.join(f'{n} 0\n' for n in names))
    data = ActionVideoDataset(
        str(tmp_path / 'list.txt'),
        pipeline=[],
        bad_files=bad_files,
        test_mode=True,
        data_prefix=dict(video=str(tmp_path)),
    )
    wrapped = SimpleNamespace(dataset=data)
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=wrapped))
    check_held_out(SimpleNamespace(val_loop=None))
    if bad_files == 'skip':
        check_held_out(SimpleNamespace(val_loop=loop))
        return
    with pytest.raises(ValueError) as error:
        check_held_out(SimpleNamespace(val_loop=loop))
    told, *listed = str(error.value).splitlines()
    assert '2 of 4 files for validation are missing or empty' in told
    assert 'Remove or repair them' in told and 'MOSI_DATA' not in told
    there = [f'  {tmp_path}/empty.avi', f'  {tmp_path}/gone.avi']
    assert listed == there
    # Most of them: rather the directory.
    (tmp_path / 'c.avi').unlink()
    with pytest.raises(ValueError, match='Is the directory.*MOSI_DATA'):
        check_held_out(SimpleNamespace(val_loop=loop))
