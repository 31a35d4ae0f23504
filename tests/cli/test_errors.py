"""A mistake of the user is a paragraph; what nobody foresaw is a traceback."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from torch.utils.data import DataLoader

from helpers.paths import ROOT
from mosi_mmaction import ActionVideoDataset, config_path
from mosi_mmaction.cli import errors
from mosi_mmaction.cli.arguments import read_options
from mosi_mmaction.cli.runs import check_options
from mosi_mmaction.media.errors import BadSourceError

TRAIN = [sys.executable, str(ROOT / 'tools/train.py')]


def message_of(function):
    try:
        function()
    except BaseException as error:
        return errors.user_message(error)
    raise AssertionError('nothing was raised')


def test_our_checks_are_messages():
    told = message_of(lambda: config_path('nosuch'))
    assert told.startswith("no config 'nosuch'")


def test_what_nobody_foresaw_keeps_its_traceback():
    assert message_of(lambda: torch.ones(2) @ torch.ones(3)) is None
    assert message_of(lambda: int('x')) is None


def test_a_check_behind_others_is_found():
    def wrapped():
        try:
            ActionVideoDataset('nosuch.txt', [])
        except FileNotFoundError as error:
            raise RuntimeError('while building') from error

    assert message_of(wrapped).startswith("ann_file: there is no list 'nosuch")


class _Bad(torch.utils.data.Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 1

    def __getitem__(self, index):
        if self.error is None:
            return 1 / 0
        raise self.error


@pytest.mark.parametrize('count', [0, 1])
def test_checks_in_workers(count, monkeypatch):
    # As if the data set above were the package's.
    monkeypatch.setattr(errors, '_OURS', (__file__,))
    bad = _Bad(BadSourceError('a b.avi', 'no video', 'Remove it'))
    loader = DataLoader(bad, num_workers=count)
    assert message_of(lambda: list(loader)) == 'a b.avi: no video. Remove it'
    loader = DataLoader(_Bad(None), num_workers=count)
    assert message_of(lambda: list(loader)) is None


def test_full_disks_and_missing_files_are_messages():
    told = message_of(lambda: open('/nosuch/x', 'w'))
    assert 'No such file or directory' in told


def test_a_paragraph_and_no_traceback(tmp_path):
    argv = ['tiny/mosi_r2p1d_images', '--work-dir', str(tmp_path / 'w')]
    env = {**os.environ, 'MOSI_DATA': str(tmp_path / 'nö such')}
    options = dict(capture_output=True, text=True)
    done = subprocess.run([*TRAIN, *argv], env=env, **options)
    *_, last, hint = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert 'Traceback' not in done.stderr
    assert last.startswith('train.py: data_root: there is no ')
    assert 'nö such' in last and 'MOSI_DEBUG=1' in hint
    env['MOSI_DEBUG'] = '1'
    done = subprocess.run([*TRAIN, *argv], env=env, **options)
    assert 'Traceback' in done.stderr
    assert 'source_image.py' in done.stderr


@pytest.mark.parametrize(
    'option, told',
    [
        ('train_dataloder.batch_size=4', 'did you mean train_dataloader'),
        ('max_epochs=3', 'such as train_cfg.max_epochs'),
        ('train_pipeline.0.type=X', 'train_dataloader.dataset.pipeline'),
    ],
)
def test_options_that_would_change_nothing(option, told):
    name = config_path('tiny/mosi_r2p1d_deadleaves')
    with pytest.raises(ValueError, match=told):
        check_options(Config.fromfile(name), read_options([option]))


def test_options_that_mmengine_reads():
    cfg = Config.fromfile(config_path('tiny/mosi_r2p1d_deadleaves'))
    pairs = ['find_unused_parameters=True', 'randomness.seed=3', 'other=1']
    check_options(cfg, read_options(pairs))


def test_a_class_that_is_not_registered():
    told = message_of(lambda: MODELS.build(dict(type='Foo')))
    assert told.startswith('Foo is not in the mmaction::model registry')


def test_an_argument_that_a_class_does_not_have():
    told = message_of(lambda: MODELS.build(dict(type='MoSIHead', foo=1)))
    assert "'in_channels'" in told


def dist_train(*argv, start=subprocess.run, **kwargs):
    return start(
        [str(ROOT / 'tools/dist_train.sh'), *map(str, argv)],
        text=True,
        env={
            **os.environ,
            'PYTHON': sys.executable,
            'CUDA_VISIBLE_DEVICES': '',
        },
        **kwargs,
    )


@pytest.mark.slow
@pytest.mark.parametrize('wrong', ['data', 'option'])
def test_of_several_ranks_the_cause_is_last(wrong, tmp_path):
    argv = ['tiny/mosi_r2p1d_images', 2, '--work-dir', tmp_path / 'w']
    more = dict(
        data=['--cfg-options', 'train_dataloader.dataset.data_root=nosuch'],
        option=['--seed', 'x'],
    )[wrong]
    done = dist_train(*argv, *more, capture_output=True)
    assert done.returncode == 1
    tail = '\n'.join(done.stderr.strip().splitlines()[-2:])
    told = dict(
        data="'nosuch'; set data_root", option='--seed: invalid int value'
    )[wrong]
    assert told in tail
    assert 'Root Cause' not in done.stderr
    assert done.stderr.count(told) == 1


def test_torchrun_is_told_the_cause(tmp_path):
    path = tmp_path / 'error.json'
    env = dict(os.environ, TORCHELASTIC_ERROR_FILE=str(path))
    assert subprocess.run([*TRAIN, 'nosuch'], env=env).returncode == 1
    told = json.loads(path.read_text())['message']
    assert "there is no file 'nosuch'" in told['message']
    assert told['extraInfo']['timestamp'].isdigit()


def test_an_interrupt_that_became_another_error_is_one():
    # MMEngine formats the config for each checkpoint, and says of whatever
    # stops it that the config has a mistake.
    code = """if True:
        import os, signal, sys
        from unittest import mock
        from mmengine.config import Config
        from mosi_mmaction.cli import errors

        sys.excepthook = errors.show_error
        signal.signal(signal.SIGINT, signal.default_int_handler)
        errors.when_interrupted(lambda: 'The work is safe.')
        with mock.patch(
            'mmengine.config.config.FormatCode',
            lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGINT),
        ):
            Config(dict(a=1)).pretty_text
        """
    run = subprocess.run(
        [sys.executable, '-c', code], stderr=subprocess.PIPE, text=True
    )
    assert run.stderr.strip() == 'The work is safe.'
    assert run.returncode == -signal.SIGINT


def wait_for(path, process, seconds=200):
    end = time.time() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.time() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize('ranks', [1, 2])
def test_interrupted_training_says_how_to_go_on(ranks, tmp_path):
    work = tmp_path / "w o'k"
    argv = ['tiny/mosi_r2p1d_deadleaves']
    more = ['--work-dir', work, '--cfg-options']
    more += ['train_dataloader.dataset.num_images=20']
    more += [
        'val_dataloader.dataset.num_images=20',
        'train_cfg.max_epochs=500',
    ]
    kwargs = dict(
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A shell's job in the background ignores it, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    if ranks == 1:
        command = [*TRAIN, *map(str, [*argv, *more])]
        process = subprocess.Popen(command, text=True, **kwargs)
    else:
        process = dist_train(*argv, 2, *more, start=subprocess.Popen, **kwargs)
    try:
        wait_for(work / 'last_checkpoint', process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, said = process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode in (-signal.SIGINT, 130), said[-3000:]
    tail = said.strip().splitlines()[-2:]
    assert tail[0].startswith('Interrupted. The work is safe')
    assert 'epoch_' in tail[0]
    # One that comes while Python is in a callback of its own is told so,
    # and the next is ours: torchrun sends it twice.
    ignored = r'Exception ignored in.*\nTraceback.*\n(  .*\n)*.*\n'
    assert 'Traceback' not in re.sub(ignored, '', said)
    command = tail[-1].strip()
    assert command.endswith('--resume')
    assert str(work).replace("'", '') in command.replace('\\', '').replace(
        "'", ''
    ).replace('"', '')
