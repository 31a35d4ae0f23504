"""The length of a run and its warm-up, changed in one call."""

import pytest
import torch
from mmaction.registry import PARAM_SCHEDULERS
from mmengine.config import Config

from helpers.config_leaf import config, leaf
from mosi_mmaction import (
    config_path,
    set_epochs,
)
from mosi_mmaction.config.running import fit_epochs


# ------------------------------------------------------ the other one-liners
def test_set_epochs(tmp_path):
    cfg = leaf(
        tmp_path,
        'mosi_r2p1d_hmdb',
        'from mosi_mmaction import set_epochs\nset_epochs(_base_, 30)',
    )
    assert cfg.train_cfg.max_epochs == cfg.max_epochs == 30
    (schedule,) = cfg.param_scheduler
    assert (schedule.max_epochs, schedule.warmup_epochs) == (30, 10)
    with pytest.raises(ValueError, match='warm-up of 10'):
        set_epochs(config('mosi_r2p1d_hmdb').copy(), 10)


def test_set_epochs_changes_the_warmup_too():
    one = config('mosi_r2p1d_hmdb').copy()
    set_epochs(one, 20, warmup_epochs=2)
    (schedule,) = one.param_scheduler
    assert (schedule.max_epochs, schedule.warmup_epochs) == (20, 2)
    two = config('tiny/mosi_r2p1d_deadleaves').copy()
    set_epochs(two, 20, warmup_epochs=4)
    warmup, cosine = two.param_scheduler
    assert (warmup.begin, warmup.end) == (0, 4)
    assert (cosine.begin, cosine.end, cosine.T_max) == (4, 20, 16)
    with pytest.raises(ValueError, match='warm-up of 20'):
        set_epochs(two, 20, warmup_epochs=20)
    two.param_scheduler = [dict(type='CosineAnnealingLR', T_max=20)]
    with pytest.raises(ValueError, match='warmup_epochs'):
        set_epochs(two, 30, warmup_epochs=2)


def test_set_epochs_of_stock_schedules():
    cfg = Config.fromfile(config_path('tiny/finetune_r2p1d_weizmann'))
    set_epochs(cfg, 30)
    assert cfg.train_cfg.max_epochs == cfg.max_epochs == 30
    warmup, cosine = cfg.param_scheduler
    assert (warmup.begin, warmup.end) == (0, 10)
    assert (cosine.begin, cosine.end, cosine.T_max) == (10, 30, 20)
    with pytest.raises(ValueError, match='warm-up of 10'):
        set_epochs(cfg, 10)


@pytest.mark.parametrize(
    'name', ['tiny/finetune_r2p1d_weizmann', 'mosi_r2p1d_hmdb']
)
def test_what_set_epochs_says_of_warm_up_can_be_done(name):
    cfg = Config.fromfile(config_path(name))
    with pytest.raises(ValueError, match='at least 11') as error:
        set_epochs(cfg, 1)
    call = str(error.value).partition('warm-up: ')[2]
    exec(call, dict(_base_=cfg, set_epochs=set_epochs))
    assert cfg.train_cfg.max_epochs == 1 == len(cfg.param_scheduler)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    PARAM_SCHEDULERS.build(
        cfg.param_scheduler[0],
        default_args=dict(optimizer=optimizer, epoch_length=3, end=1),
    )


@pytest.mark.parametrize(
    'name, epochs, warmup',
    [
        ('mosi_r2p1d_hmdb', 30, 10),
        ('mosi_r2p1d_hmdb', 1, 0),
        ('tiny/mosi_r2p1d_images', 1, 0),
        ('tiny/finetune_r2p1d_weizmann', 100, 10),
        ('finetune_r2p1d_hmdb', 2, 0),
    ],
)
def test_a_try_of_few_epochs_has_no_warmup(name, epochs, warmup):
    """The flag --epochs of tools/train.py."""
    cfg = Config.fromfile(config_path(name))
    fit_epochs(cfg, epochs)
    assert cfg.train_cfg.max_epochs == epochs
    last = cfg.param_scheduler[-1]
    if last.type == 'WarmupCosineLR':
        assert (last.warmup_epochs, last.max_epochs) == (warmup, epochs)
    else:
        assert (last.begin, last.end) == (warmup, epochs)
        assert last.T_max == epochs - warmup
        assert len(cfg.param_scheduler) == 1 + bool(warmup)
    with pytest.raises(ValueError, match='at least 1'):
        fit_epochs(cfg, 0)
    del cfg.train_cfg['max_epochs']
    with pytest.raises(ValueError, match='train_cfg.max_epochs'):
        fit_epochs(cfg, 5)
