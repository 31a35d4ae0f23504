"""What is on the screen before the first epoch, and after the last."""

import shlex
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from helpers import launch
from helpers.paths import ROOT, TOOLS
from mosi_mmaction import SafeCheckpointHook, StepTimeHook, config_path
from mosi_mmaction.cli import summary
from mosi_mmaction.cli.commands import other_tool

CONFIG = """
_base_ = [__import__('mosi_mmaction').config_path(
    'tiny/mosi_r2p1d_deadleaves')]
_few = dict(num_images=4)
train_dataloader = dict(batch_size=2, num_workers=0, dataset=_few,
                        persistent_workers=False)
val_dataloader = dict(batch_size=2, num_workers=0, dataset=_few,
                      persistent_workers=False)
"""


def test_ten_lines_before_and_the_next_command_after(tmp_path):
    config = tmp_path / 'my config.py'
    config.write_text(CONFIG)
    work, log = tmp_path / "work d'r", tmp_path / 'log'
    options = ['--epochs', '2', '--resume', '--work-dir', work]
    code = launch.run('train.py', config, *options, log=log, cwd=tmp_path)
    said = log.read_text()
    assert code == 0, said
    lines = said.splitlines()
    first = next(i for i, line in enumerate(lines) if 'Epoch(train)' in line)
    assert first <= 20, '\n'.join(lines[:first])
    before = '\n'.join(lines[:first])
    nothing = f'--resume: {work} had no checkpoint, so the run started from'
    for told in (
        f'config       {config}',
        'data         4 samples',
        '4 samples; after every epoch\n',
        'ResNet2Plus1d, 0.23 M parameters; MoSIHead, 9 classes',
        'random weights',
        'batch        2 samples; 4 steps in 2 epochs',
        'checkpoints  after every epoch; all are kept',
        'Adam, learning rate 0.002',
        str(work),
        f'WARNING      {nothing}',
    ):
        assert told in before
    # The file has it all.
    (file,) = work.glob('*/*.log')
    whole = file.read_text()
    assert 'paramwise_options' in whole and 'Config:' in whole
    assert 'System environment' in whole and told in whole
    done = said[said.rindex('done: ') :].splitlines()
    assert done[0].startswith('done: pretext/top1 0.')
    # Paths below the working directory are relative to it.
    assert done[0].endswith("; work d'r/epoch_2.pth")
    assert nothing in done[1]
    assert 'WARNING: it has hardly learnt' in done[2]
    _, _, test = done[3].partition('to test it: ')
    words = shlex.split(test)
    assert words[-3].endswith('tools/test.py')
    assert words[-2:] == ["work d'r/my config.py", "work d'r/epoch_2.pth"]
    assert Config.fromfile(tmp_path / words[-2]).train_cfg.max_epochs == 2
    assert 'MOSI_PRETRAINED=' in done[4]
    # A run that starts anew in there is told of it.
    anew = [o for o in options if o != '--resume']
    code = launch.run('train.py', config, *anew, log=tmp_path / 'anew')
    told = (tmp_path / 'anew').read_text()
    earlier = f'WARNING: {work}/epoch_2.pth is of an earlier run'
    assert code == 0 and earlier in told[told.rindex('done: ') :], told
    # Once more, and there is nothing left to do.
    code = launch.run('train.py', config, *options, log=tmp_path / 'log 2')
    said = (tmp_path / 'log 2').read_text()
    assert code == 0 and 'nothing left to do: ' in said, said
    assert 'has all 2 epochs' in said and 'done: ' not in said
    assert said.count('all 146 tensors of the network') == 1
    assert 'WARNING' not in said


def test_commands_are_those_of_the_way_a_tool_was_started(monkeypatch):
    monkeypatch.chdir(ROOT)
    for name in ('DATA', 'DECODER'):
        monkeypatch.setenv(f'MOSI_{name}', 'a b')
    ours, script = (
        ['/x/python', '-m', 'mosi_mmaction', 'train'],
        'tools/test.py',
    )
    for argv, orig, words in (
        ('tools/train.py', ['python', 'tools/train.py'], f'python {script}'),
        (f'{ROOT}/tools/train.py', ['.venv/py', ''], f'.venv/py {script}'),
        (f'{TOOLS}/train.py', ours, '/x/python -m mosi_mmaction test'),
    ):
        monkeypatch.setattr('sys.argv', [argv])
        monkeypatch.setattr('sys.orig_argv', orig)
        told = other_tool('test', f'{ROOT}/w d/c.py', '/other/e.pth')
        assert told == f"MOSI_DECODER='a b' {words} 'w d/c.py' /other/e.pth"


@pytest.mark.parametrize(
    'top1, labels, warned',
    [(0.1778, 9, True), (0.4, 9, True), (0.42, 9, False), (0.6, 2, True)],
)
def test_a_pretext_task_that_was_hardly_learnt(top1, labels, warned):
    told = summary._hardly_learnt(top1, 1 / labels)
    assert bool(told) == warned
    assert all('--epochs' in text for text in told)


def test_the_best_checkpoint_may_have_been_chosen_on_the_test_list(tmp_path):
    name = 'tiny/finetune_r2p1d_weizmann'
    cfg = Config.fromfile(config_path(name))
    assert summary._validates_on_test(cfg)
    cfg.val_dataloader.dataset.ann_file = 'val.txt'
    assert not summary._validates_on_test(cfg)


def test_the_last_checkpoint_of_a_run_that_counts_iterations(tmp_path):
    path = tmp_path / 'iter_6.pth'
    torch.save({}, path)
    (tmp_path / 'last_checkpoint').write_text(str(path))
    hook = SafeCheckpointHook(interval=3, by_epoch=False)
    runner = SimpleNamespace(
        work_dir=str(tmp_path),
        cfg=Config(),
        hooks=[hook],
        model=None,
        message_hub=SimpleNamespace(log_scalars={}),
    )
    assert summary.conclude(runner) == f'done: not validated; {path}'


def test_a_run_that_counts_iterations_is_told_in_steps(tmp_path):
    loader = SimpleNamespace(dataset=range(6), batch_size=2, num_workers=0)
    loop = SimpleNamespace(
        dataloader=loader,
        dataloader_iterator=iter(()),
        val_interval=4,
        max_iters=8,
        max_epochs=1,
    )
    runner = SimpleNamespace(
        cfg=Config(dict(optim_wrapper={}, train_dataloader={})),
        model=torch.nn.Linear(1, 1),
        train_loop=loop,
        val_loop=loop,
        hooks=[SafeCheckpointHook(interval=2, by_epoch=False)],
        max_iters=8,
        message_hub=SimpleNamespace(log_scalars={}),
        work_dir=str(tmp_path),
        log_dir='',
        max_epochs=1,
        _load_from=None,
        _resume=False,
    )
    said = summary.summarize(runner)
    assert '6 samples; after every 4 steps\n' in said
    assert '2 samples; 8 steps\n' in said
    assert 'after every 2 steps; all are kept' in said
    done = summary.conclude(runner, trained=False)
    assert 'has all 8 steps' in done and 'train_cfg.max_iters=N' in done
    assert 'epoch' not in said + done


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
    hook = Config.fromfile(config_path(name)).default_hooks.checkpoint
    assert hook.max_keep_ckpts == 3
    assert (hook.save_best, hook.rule) == ('acc/top1', 'greater')
