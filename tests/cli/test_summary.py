"""What is on the screen before the first epoch, and after the last."""

import shlex
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from helpers import launch
from mosi_mmaction import StepTimeHook

CONFIG = """
_base_ = [__import__('mosi_mmaction').config_path(
    'tiny/mosi_r2p1d_deadleaves')]
_few = dict(num_images=4)
train_dataloader = dict(batch_size=2, num_workers=0, dataset=_few,
                        persistent_workers=False)
val_dataloader = dict(batch_size=2, num_workers=0, dataset=_few,
                      persistent_workers=False)

from mosi_mmaction import set_epochs

set_epochs(_base_, 2)
"""


def test_ten_lines_before_and_the_next_command_after(tmp_path):
    config = tmp_path / 'my config.py'
    config.write_text(CONFIG)
    work, log = tmp_path / "work d'r", tmp_path / 'log'
    code = launch.run('train.py', config, '--work-dir', work, log=log)
    said = log.read_text()
    assert code == 0, said
    lines = said.splitlines()
    first = next(i for i, line in enumerate(lines) if 'Epoch(train)' in line)
    assert first <= 20, '\n'.join(lines[:first])
    before = '\n'.join(lines[:first])
    for told in (
        f'config      {config}',
        'data        4 samples',
        'ResNet2Plus1d, 0.23 M parameters; MoSIHead, 9 classes',
        'random weights',
        'batch       2 samples; 4 steps in 2 epochs',
        'Adam, learning rate 0.002',
        str(work),
    ):
        assert told in before
    # The file has it all.
    (file,) = work.glob('*/*.log')
    whole = file.read_text()
    assert 'paramwise_options' in whole and 'Config:' in whole
    assert 'System environment' in whole and told in whole
    done = said[said.rindex('done: ') :].splitlines()
    assert done[0].startswith('done: pretext/top1 0.')
    assert done[0].endswith(f'{work}/epoch_2.pth')
    _, _, test = done[1].partition('to test it: ')
    words = shlex.split(test)
    assert words[-4:] == [
        'mosi_mmaction',
        'test',
        str(work / config.name),
        str(work / 'epoch_2.pth'),
    ]
    assert Config.fromfile(words[-2]).train_cfg.max_epochs == 2
    assert 'MOSI_PRETRAINED=' in done[2]


@pytest.mark.parametrize(
    'seconds, warned',
    [
        ([1, 1, 20, 20, 20, 20, 20, 20, 20], 1),
        ([1, 1, 20, 20, 20, 20, 1, 20], 0),  # not in a row
        ([20, 20, 20, 9, 9, 9, 9], 0),
    ],
)
def test_slow_steps(seconds, warned):
    told = []
    runner = SimpleNamespace(logger=SimpleNamespace(warning=told.append))
    hook = StepTimeHook()
    for second in seconds:
        hook._look(runner, second)
    assert len(told) == warned
    assert all('OMP_NUM_THREADS=1' in text for text in told)


@pytest.mark.parametrize(
    'name', ['tiny/finetune_r2p1d_weizmann', 'tiny/finetune_vit_actions']
)
def test_tiny_fine_tuning_keeps_the_last_and_the_best(name):
    from mosi_mmaction import config_path

    hook = Config.fromfile(config_path(name)).default_hooks.checkpoint
    assert hook.max_keep_ckpts == 3
    assert (hook.save_best, hook.rule) == ('acc/top1', 'greater')
