"""Batches cross in kept memory, and none that is referred to changes."""

import copy
import errno
import gc
import multiprocessing
import os
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample

from helpers.kept_batches import (
    Clips,
    is_right,
    loader,
)
from mosi_mmaction import mosi_collate
from mosi_mmaction.structures import batch_memory

pytestmark = pytest.mark.skipif(
    not batch_memory._has_memfd(), reason='needs memfd_create (Linux)'
)


@pytest.mark.parametrize(
    'start, persistent, workers',
    [
        ('fork', True, 2),
        ('fork', False, 2),
        pytest.param('spawn', True, 1, marks=pytest.mark.slow),
    ],
)
def test_what_arrives_is_what_was_made(start, persistent, workers):
    # 26 do not divide by 4: the last batch is a part, every epoch.
    data = loader(
        Clips(26),
        workers=workers,
        persistent_workers=persistent,
        multiprocessing_context=start,
    )
    for _ in range(3):
        batches = 0
        for batch in data:
            assert is_right(batch)
            batches += 1
        assert batches == 7


@pytest.mark.parametrize(
    'trick', ['mixes', 'own memory', 'remembers', 'transposes']
)
def test_samples_that_are_elsewhere_or_stay(trick):
    for batch in loader(Clips(48, trick), workers=1):
        assert is_right(batch)


def test_after_a_batch_that_failed():
    batches = iter(loader(Clips(24, 'fails'), workers=1))
    arrived = failed = 0
    while arrived + failed < 6:
        try:
            assert is_right(next(batches))
            arrived += 1
        except ValueError as error:
            assert 'a sample that fails' in str(error)
            failed += 1
    assert (arrived, failed) == (5, 1)


def test_memory_is_kept():
    # Nothing is held but the last batch: as many slots as are under way.
    places = {}
    for batch in loader(Clips(240), workers=1, prefetch_factor=2):
        assert is_right(batch)
        place = batch['inputs'].data_ptr()
        places[place] = places.get(place, 0) + 1
    assert len(places) <= 6 and sum(places.values()) == 60


def test_slots_that_are_too_small_are_freed():
    # The worker itself, without a process: batches that became larger.
    worker = batch_memory._Worker()
    for number, size in ((1, 8), (40, 16), (40, 32)):
        for _ in range(number):
            clips = torch.full((2, 3, 4, size, size), size, dtype=torch.uint8)
            batch = worker.batch([clips, clips], -4)
            assert (batch == size).all()
            del batch
    sides = [round((s.size / 48) ** 0.5) for s in worker.slots.values()]
    assert sides == [16, 32]


@pytest.mark.parametrize('persistent', [True, False])
def test_a_batch_that_is_held_never_changes(persistent, rng):
    data = loader(Clips(120), persistent_workers=persistent)
    held = []
    for _ in range(3):
        for number, batch in enumerate(data):
            inputs = batch['inputs']
            value = (
                inputs,
                inputs[1:, :, 0],
                inputs.numpy(),
                inputs.movedim(2, -1)[0].numpy()[..., 1],
                None,
            )[number % 5]
            held.append((value, copy.deepcopy(value)))
            if rng.random() < 0.2:  # some are let go, in any order
                held.pop(int(rng.integers(len(held))))
            del batch, inputs, value
    compared = 0
    for value, expected in held:
        if value is not None:
            assert np.array_equal(np.asarray(value), np.asarray(expected))
            compared += 1
    assert compared > 40


def test_a_held_batch_outlives_its_loader():
    data = loader()
    batches = list(data)
    del data
    gc.collect()
    assert all(is_right(batch) for batch in batches)


def test_nothing_is_mapped_when_the_loader_is_gone():
    gc.collect()
    before = len(batch_memory._mapped)
    data = loader(persistent_workers=True)
    batch = next(iter(data))
    assert len(batch_memory._mapped) > before
    del data
    gc.collect()
    assert len(batch_memory._mapped) == before
    assert is_right(batch)


def test_a_process_that_forks_from_the_trainer_gives_nothing_back():
    def child(batch):
        del batch
        gc.collect()

    data = iter(loader(Clips(80), workers=1))
    batch = next(data)
    process = multiprocessing.get_context('fork').Process(
        target=child, args=(batch,)
    )
    process.start()
    process.join()
    pid = os.fork()
    if not pid:  # takes its references with it
        del batch
        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    for other in data:
        assert is_right(other)
        assert other['inputs'].data_ptr() != batch['inputs'].data_ptr()
    assert is_right(batch)


def test_an_epoch_that_is_left_early():
    data = loader(Clips(80), workers=1, persistent_workers=True)
    places = set()
    for _ in range(12):
        for number, batch in enumerate(data):
            assert is_right(batch)
            places.add(batch['inputs'].data_ptr())
            if number == 3:
                break
    assert len(places) <= 6


def test_the_trainer_may_write_to_its_batch():
    for batch in loader(Clips(48), workers=1):
        assert is_right(batch)
        batch['inputs'].zero_()


def test_labels_of_mmaction2_cross_by_value(monkeypatch):
    sent = []
    table = ForkingPickler._extra_reducers
    reduce = table[torch.Tensor]
    monkeypatch.setitem(
        table, torch.Tensor, lambda t: (sent.append(t), reduce(t))[1]
    )
    batch = [
        dict(
            inputs=torch.zeros(1, 3, 2, 4, 4, dtype=torch.uint8),
            data_samples=ActionDataSample(
                metainfo=dict(img_shape=(4, 4))
            ).set_gt_label(3),
        )
        for _ in range(2)
    ]
    collated = mosi_collate(batch)
    sample = collated['data_samples'][0]
    assert isinstance(sample, ActionDataSample)
    assert sample.gt_label.tolist() == [3] and sample.img_shape == (4, 4)
    ForkingPickler.dumps(collated)
    assert [t.shape for t in sent] == [(2, 1, 3, 2, 4, 4)]


def test_a_lack_of_memory_is_an_error(monkeypatch):
    def full(file, start, size):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'posix_fallocate', full)  # forked along
    with pytest.raises(MemoryError, match='no memory for a batch.*num_work'):
        next(iter(loader()))


# -------------------------------------------------------- without memfd_create
def test_elsewhere_torch_sends_them(monkeypatch):
    monkeypatch.setattr(batch_memory, '_has_memfd', lambda: False)
    for batch in loader():
        assert is_right(batch)
        assert batch['inputs'].is_shared()


def test_elsewhere_a_small_dev_shm_is_an_error(monkeypatch):
    monkeypatch.setattr(batch_memory, '_has_memfd', lambda: False)
    real = os.statvfs('/')
    small = os.statvfs_result((4096, 4096, 1, 1, 1, *real[5:]))
    monkeypatch.setattr(os, 'statvfs', lambda path: small)
    with pytest.raises(MemoryError, match='/dev/shm has 0 MiB.*shm-size'):
        next(iter(loader()))
