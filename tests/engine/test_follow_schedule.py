"""A run that is resumed with more epochs has the rates of the longer one."""

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner

from mosi_mmaction.engine.hooks import FollowScheduleHook


class Net(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode):
        return dict(loss=self.layer(torch.stack(inputs)).square().mean())


class Rates(Hook):
    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, *args, **kwargs):
        groups = runner.optim_wrapper.param_groups
        self.seen.append([group['lr'] for group in groups])


def rates(work_dir, epochs, by_iter, resume=False, follow=True, samples=6):
    rates = Rates()
    rounds = samples % 2  # two do not divide the samples
    schedules = [
        dict(type='LinearLR', start_factor=0.1, begin=0, end=2),
        dict(type='CosineAnnealingLR', T_max=epochs - 2, begin=2, end=epochs),
    ]
    Runner(
        Net(),
        str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            dataset=[dict(inputs=torch.ones(1))] * samples,
            sampler=dict(type='EpochSampler', shuffle=False),
            batch_sampler=dict(type='RoundBatchSampler', epochs=4)
            if rounds
            else None,
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='RoundTrainLoop', max_epochs=epochs),
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=0.1),
            paramwise_cfg=dict(bias_lr_mult=3.0),
        ),
        param_scheduler=[
            dict(s, by_epoch=True, convert_to_iter_based=by_iter)
            for s in schedules
        ],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[rates, *([FollowScheduleHook()] if follow else [])],
        resume=resume,
        default_scope='mmaction',
        experiment_name=f'follow_{np.random.randint(2**31)}',
    ).train()
    return np.array(rates.seen)


@pytest.mark.parametrize(
    'by_iter, samples, steps',
    [(True, 6, 15), (False, 6, 15), (False, 5, 12), (False, 1, 2)],
)
def test_more_epochs_have_the_rates_of_a_longer_run(
    tmp_path, by_iter, samples, steps
):
    kind = dict(by_iter=by_iter, samples=samples)
    whole = rates(tmp_path / 'whole', 9, **kind)
    short = rates(tmp_path / 'short', 5, **kind)
    assert len(short) == steps
    assert abs(whole[:steps] - short).max() > 0.01
    rest = rates(tmp_path / 'short', 9, resume=True, **kind)
    np.testing.assert_allclose(rest, whole[steps:], rtol=1e-9, atol=1e-15)
    assert whole[steps:].max() > 0.03


def test_the_same_schedule_is_resumed_to_the_bit(tmp_path, monkeypatch):
    whole = rates(tmp_path / 'whole', 5, True)
    torn = tmp_path / 'torn'
    (tmp_path / 'whole/epoch_2.pth').rename(tmp_path / 'epoch_2.pth')
    torn.mkdir()
    (tmp_path / 'epoch_2.pth').rename(torn / 'epoch_2.pth')
    (torn / 'last_checkpoint').write_text(str(torn / 'epoch_2.pth'))
    rest = rates(torn, 5, True, resume=True)
    assert (rest == whole[6:]).all()
