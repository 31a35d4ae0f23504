"""Rounds of epochs: samples, steps, learning rates, and resumed runs."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmaction.registry import HOOKS, LOOPS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mosi_mmaction import (
    EpochSampler,
    RoundBatchSampler,
    WarmupCosineLR,
    set_epochs,
)


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmaction')


def rounds(size, batch, epochs, rank=0, world=1, seed=3, shuffle=True):
    """A batch sampler of one process."""
    sampler = EpochSampler(range(size), shuffle=shuffle, seed=seed)
    sampler.rank, sampler.world_size = rank, world
    return RoundBatchSampler(sampler, batch, epochs)


def visits(sampler, epochs):
    """The batches of each epoch, as pairs (epoch of the visit, index)."""
    out = []
    for epoch in range(epochs):
        sampler.sampler.set_epoch(epoch)
        batches = [[(i.epoch, int(i)) for i in b] for b in sampler]
        assert len(batches) == len(sampler)
        out.append(batches)
    return out


# ----------------------------------------------------------------- samples
@given(
    size=st.integers(1, 40),
    batch=st.integers(1, 12),
    world=st.integers(1, 4),
    length=st.integers(1, 5),
    past=st.integers(0, 4),
)
@settings(max_examples=60)
def test_ranks_share_the_visits_of_a_round(size, batch, world, length, past):
    total = batch * world
    if length * size < total:
        with pytest.raises(ValueError, match='do not fill one batch'):
            rounds(size, batch, length, 0, world)
        return
    run = length + past
    ranks = [
        visits(rounds(size, batch, length, r, world), run)
        for r in range(world)
    ]
    # All ranks take equally many steps, and together what one process does
    # with all of the batch.
    alone = visits(rounds(size, total, length), run)
    for epoch in range(run):
        steps = [len(rank[epoch]) for rank in ranks]
        assert steps == [len(alone[epoch])] * world
        for number, batches in enumerate(alone[epoch]):
            parts = [rank[epoch][number] for rank in ranks]
            assert [len(p) for p in parts] == [batch] * world
            together = [v for part in parts for v in part]
            assert len(set(together)) == total  # no visit twice
            assert set(together) == set(batches)
    # In a whole round: every sample once an epoch, but for the last part
    # batch, which is of the round's end.
    seen = [v for e in alone[:length] for b in e for v in b]
    assert len(seen) == len(set(seen)) == length * size // total * total
    missing = {(e, i) for e in range(length) for i in range(size)} - set(seen)
    assert len(missing) < total
    whole_epochs = length - math.ceil(len(missing) / size)
    assert all(e >= whole_epochs for e, _ in missing)
    # A batch is of the epoch in which it is filled.
    for epoch, batches in enumerate(alone):
        assert all(max(e for e, _ in b) == epoch for b in batches)


def test_every_epoch_has_another_order_and_every_seed():
    one = visits(rounds(30, 5, 4), 4)
    orders = [[i for b in e for _, i in b] for e in one]
    assert len({tuple(o) for o in orders}) == 4
    assert one != visits(rounds(30, 5, 4, seed=4), 4)
    assert one == visits(rounds(30, 5, 4), 4)
    plain = visits(rounds(30, 5, 4, shuffle=False), 4)
    assert [[i for b in e for _, i in b] for e in plain] == [
        list(range(30))
    ] * 4


def test_wrong_settings_are_named():
    with pytest.raises(TypeError, match='EpochSampler'):
        RoundBatchSampler(torch.utils.data.SequentialSampler(range(9)), 2, 3)
    with pytest.raises(ValueError, match='batch_sampler.epochs=0'):
        rounds(9, 2, 0)
    with pytest.raises(ValueError, match='batch_size'):
        rounds(9, 0, 3)
    runner = SimpleNamespace(
        visualizer=SimpleNamespace(),
        cfg=Config(
            dict(
                param_scheduler=dict(
                    type='CosineAnnealingLR', convert_to_iter_based=True
                )
            )
        ),
    )
    uneven = DataLoader(range(9), batch_sampler=rounds(9, 2, 3))
    with pytest.raises(ValueError, match='CosineAnnealingLR.*12 instead'):
        LOOPS.build(
            dict(type='RoundTrainLoop', max_epochs=3),
            default_args=dict(runner=runner, dataloader=uneven),
        )
    even = DataLoader(range(8), batch_sampler=rounds(8, 2, 3))
    loop = LOOPS.build(
        dict(type='RoundTrainLoop', max_epochs=3),
        default_args=dict(runner=runner, dataloader=even),
    )
    assert loop.max_iters == 12


# ------------------------------------------------------------ resumed runs
class Draws(Dataset):
    """Samples out of their own streams."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        values = torch.from_numpy(index.rng().normal(size=6)).float()
        return dict(x=values, index=int(index), epoch=index.epoch)


class Toy(BaseModel):
    """A network with all that makes a resume hard: dropout, statistics."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1)
        )

    def forward(self, x, index, epoch, mode='loss'):
        """Return the loss."""
        return dict(loss=self.layers(x).square().mean())


@HOOKS.register_module(force=True)
class StepsHook(Hook):
    """Note epoch, visits and learning rate of every step."""

    def before_train(self, runner):
        runner.steps = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        runner.steps.append(
            (
                runner.epoch,
                runner.iter,
                data_batch['epoch'].tolist(),
                data_batch['index'].tolist(),
                runner.optim_wrapper.get_lr()['lr'][0],
            )
        )


RATE = 0.01


def train(folder, size, batch, length, epochs, start=None, workers=0):
    """Train the toy; return the runner after its end."""
    cfg = dict(
        train_cfg=dict(type='RoundTrainLoop', max_epochs=4),
        param_scheduler=[
            dict(
                type='WarmupCosineLR',
                by_epoch=False,
                max_epochs=4,
                warmup_epochs=1,
                start_factor=0.1,
            )
        ],
    )
    set_epochs(cfg, epochs)
    torch.manual_seed(0)
    runner = Runner(
        model=Toy(),
        work_dir=str(folder),
        train_dataloader=dict(
            dataset=Draws(size),
            batch_size=batch,
            num_workers=workers,
            persistent_workers=workers > 0,
            sampler=dict(type='EpochSampler', shuffle=True),
            batch_sampler=dict(type='RoundBatchSampler', epochs=length),
            collate_fn=dict(type='default_collate'),
        ),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=RATE)),
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', interval=1),
            streams=dict(type='StreamHook'),
        ),
        custom_hooks=[dict(type='StepsHook')],
        randomness=dict(seed=3 if start is None else 99),
        load_from=start and str(start),
        resume=start is not None,
        default_scope='mmaction',
        experiment_name=str(folder).replace('/', '_'),
        log_level='WARNING',
        **cfg,
    )
    runner.train()
    return runner


def assert_same(one, other):
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name
    ours, theirs = (
        r.optim_wrapper.state_dict()['state'] for r in (one, other)
    )
    assert ours and ours.keys() == theirs.keys()
    for key, state in ours.items():
        for name, value in state.items():
            assert torch.equal(value, theirs[key][name]), (key, name)


@pytest.mark.parametrize(
    'size, batch, length, counts',
    [
        (18, 4, 3, [4, 5, 4, 4, 5, 4, 4]),
        (7, 3, 3, [2, 2, 3, 2, 2, 3, 2]),
        # Batches larger than the data set: some epochs have no step.
        (5, 8, 3, [0, 1, 0, 0, 1, 0, 0]),
    ],
)
def test_a_run_resumed_inside_a_round_ends_the_same(
    tmp_path, size, batch, length, counts
):
    whole = train(tmp_path / 'whole', size, batch, length, 7)
    epochs = [s[0] for s in whole.steps]
    assert [epochs.count(e) for e in range(7)] == counts
    assert whole.max_iters == whole.iter == sum(counts)
    assert [s[1] for s in whole.steps] == list(range(sum(counts)))
    for done in (1, 4, 5):
        resumed = train(
            tmp_path / f'resumed_{done}',
            size,
            batch,
            length,
            7,
            tmp_path / 'whole' / f'epoch_{done}.pth',
        )
        assert resumed.steps == whole.steps[sum(counts[:done]) :]
        assert resumed.epoch == 7 and resumed.iter == sum(counts)
        assert_same(resumed, whole)


def test_workers_that_stay_change_nothing(tmp_path):
    alone = train(tmp_path / 'alone', 7, 3, 3, 4)
    workers = train(tmp_path / 'workers', 7, 3, 3, 4, workers=2)
    assert workers.steps == alone.steps
    assert_same(workers, alone)


# ---------------------------------------------------------------- schedule
def told(step, steps, epochs, warmup=1, first=0.1):
    def cosine(e):
        return (1 + math.cos(math.pi * e / epochs)) / 2

    e = step / steps * epochs
    if e >= warmup:
        return RATE * cosine(e)
    return RATE * (first + (cosine(warmup) - first) * e / warmup)


@pytest.mark.parametrize('done, epochs', [(3, 8), (4, 8), (4, 6), (3, 4)])
def test_a_resumed_run_takes_the_schedule_of_its_own_config(
    tmp_path, done, epochs
):
    first = train(tmp_path / 'first', 7, 3, 3, 4)
    rates = [s[-1] for s in first.steps]
    steps = first.max_iters
    assert steps == 9
    assert rates == pytest.approx([told(s, steps, 4) for s in range(steps)])
    # Longer, set_epochs: a cosine over all epochs, from where the run was.
    more = train(
        tmp_path / 'more',
        7,
        3,
        3,
        epochs,
        tmp_path / 'first' / f'epoch_{done}.pth',
    )
    begin = sum(s[0] < done for s in first.steps)
    steps = more.max_iters
    assert steps == {8: 18, 6: 14, 4: 9}[epochs]
    assert [s[1] for s in more.steps] == list(range(begin, steps))
    assert [s[-1] for s in more.steps] == pytest.approx(
        [told(s, steps, epochs) for s in range(begin, steps)]
    )


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(max_epochs=4, warmup_epochs=4, end=9), 'warmup_epochs=4 of'),
        (dict(max_epochs=4, warmup_epochs=-1, end=9), 'warmup_epochs=-1'),
        (dict(max_epochs=0, end=9), 'max_epochs=0'),
        (dict(max_epochs=4, start_factor=1.5, end=9), 'start_factor=1.5'),
        (dict(max_epochs=4), 'end=None'),
    ],
)
def test_a_wrong_schedule_is_refused(settings, message):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    with pytest.raises(ValueError, match=message):
        WarmupCosineLR(optimizer, **settings)
