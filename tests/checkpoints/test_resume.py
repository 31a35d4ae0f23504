"""What a resume starts from: one answer, for the tool and for the hook."""

import argparse
import importlib

import pytest
import torch
from mmengine.config import Config

from helpers.paths import TOOLS
from mosi_mmaction.checkpoints.resume import find_resume


def save(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        torch.save(dict(state_dict={}), folder / name)
    return [str(folder / name) for name in names]


def cut(path):
    with open(path, 'r+b') as file:
        file.truncate(40)


def test_nothing_to_resume_from(tmp_path):
    assert find_resume(str(tmp_path / 'absent')) is None
    save(tmp_path, 'best_acc_epoch_3.pth', 'epoch_2-1a2b3c4d.pth')
    assert find_resume(str(tmp_path)) is None


def test_the_pointer_says_which_is_the_latest(tmp_path):
    files = save(tmp_path, 'epoch_2.pth', 'epoch_9.pth', 'epoch_10.pth')
    # A kill came before the pointer was written.
    assert find_resume(str(tmp_path)) == files[2]
    # What has a higher number is of an older, longer run.
    (tmp_path / 'last_checkpoint').write_text(files[1])
    assert find_resume(str(tmp_path)) == files[1]
    # The run was moved.
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/epoch_2.pth')
    assert find_resume(str(tmp_path)) == files[0]


def test_files_that_are_not_whole_are_passed_over(tmp_path):
    files = save(tmp_path, 'iter_5.pth', 'iter_10.pth')
    cut(files[1])
    said = []
    found = find_resume(str(tmp_path), 'iter_{}.pth', said.append)
    assert found == files[0]
    (text,) = said
    assert f'{files[1]} is not whole' in text
    cut(files[0])
    with pytest.raises(ValueError, match='is whole: .*iter_10.*iter_5'):
        find_resume(str(tmp_path), 'iter_{}.pth')


@pytest.mark.parametrize(
    'hook, name',
    [
        (dict(type='CheckpointHook'), 'epoch_3.pth'),
        (dict(type='CheckpointHook', by_epoch=False), 'iter_3.pth'),
        (dict(filename_tmpl='step-{}.pth'), 'step-3.pth'),
        (None, 'epoch_3.pth'),
    ],
)
def test_the_tool_resumes_from_what_is_found(
    tmp_path, monkeypatch, hook, name
):
    monkeypatch.syspath_prepend(str(TOOLS))
    train = importlib.import_module('train')
    args = argparse.Namespace(
        no_validate=False,
        epochs=None,
        auto_scale_lr=False,
        seed=None,
        diff_rank_seed=False,
        deterministic=False,
        resume='auto',
    )
    hooks = dict(checkpoint=hook) if hook else None
    base = dict(randomness=dict(seed=0), load_from='pretrained.pth')

    def merged():
        cfg = Config(dict(base, work_dir=str(tmp_path), default_hooks=hooks))
        train.merge_args(cfg, args)
        return cfg

    cfg = merged()
    assert (cfg.resume, cfg.load_from) == (False, 'pretrained.pth')
    (file,) = save(tmp_path, name)
    cfg = merged()
    assert (cfg.resume, cfg.load_from) == (True, file)
    assert cfg.default_hooks.schedule.type == 'FollowScheduleHook'
