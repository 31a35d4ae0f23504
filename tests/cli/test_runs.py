"""What the tools check before a run starts."""

from types import SimpleNamespace

import pytest
from mmengine.config import Config
from torch.utils.data import DataLoader

from helpers.paths import load_tool
from mosi_mmaction import config_path
from mosi_mmaction.cli.runs import build_runner, check_steps


@pytest.mark.parametrize(
    'samples, drop_last, fits',
    [(9, True, False), (10, True, True), (9, False, True)],
)
def test_fewer_samples_than_a_batch(samples, drop_last, fits):
    loader = DataLoader(range(samples), 10, drop_last=drop_last)
    loop = SimpleNamespace(dataloader=loader, max_iters=3 * len(loader))
    runner = SimpleNamespace(train_loop=loop)
    if fits:
        check_steps(runner)
        return
    with pytest.raises(ValueError, match='its 9 samples.*batch_size=10'):
        check_steps(runner)


def test_config_without_training():
    check_steps(SimpleNamespace(train_loop=None))


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
