"""Batches cross in kept memory, and none that is referred to changes."""

import copy
import errno
import gc
import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from torch.utils.data import DataLoader, Dataset

from mosi_mmaction import MoSIDataSample, mosi_collate
from mosi_mmaction.structures import batch_memory

SHAPE = (2, 3, 8, 8, 3)  # C, N, L, L, 3

pytestmark = pytest.mark.skipif(
    not batch_memory._has_memfd(), reason='needs memfd_create (Linux)'
)


def content(index, epoch=0):
    return np.random.default_rng((index, epoch)).integers(
        0, 256, SHAPE, dtype=np.uint8
    )


class Clips(Dataset):
    """Samples as RenderPseudoMotion and PackMoSIInputs make them."""

    def __init__(self, number=24, trick=None):
        self.number = number
        self.trick = trick
        self.kept = []

    def __len__(self):
        return self.number

    def _sample(self, index):
        out = batch_memory.empty_sample(SHAPE)
        if out is None:
            out = np.empty(SHAPE, np.uint8)
        out[...] = content(index)
        return out

    def __getitem__(self, index):
        if self.trick == 'mixes':  # renders more than it returns
            self._sample(1000 + index)
        if self.trick == 'fails' and index == 5:
            self._sample(index)
            raise ValueError('a sample that fails')
        clips = self._sample(index)
        if self.trick == 'own memory' and index % 3 == 0:
            clips = clips.copy()
        if self.trick == 'remembers':
            # As a transform would that mixes with samples of before.
            self.kept.append((index, clips))
            for i, old in self.kept:
                assert np.array_equal(old, content(i)), i
        sample = MoSIDataSample().set_gt_label(np.array([index, 7]))
        sample.set_metainfo(dict(index=index))
        inputs = torch.from_numpy(clips).permute(0, 4, 1, 2, 3)
        return dict(inputs=inputs, data_samples=sample)


def loader(dataset=None, workers=2, **options):
    options.setdefault('batch_size', 4)
    return DataLoader(
        Clips() if dataset is None else dataset,
        num_workers=workers,
        collate_fn=mosi_collate,
        **options,
    )


def is_right(batch):
    """Compare a batch with what its samples say they are."""
    indices = [s.index for s in batch['data_samples']]
    labels = [s.gt_label.tolist() for s in batch['data_samples']]
    assert labels == [[i, 7] for i in indices]
    inputs = batch['inputs']
    assert type(inputs) is torch.Tensor and inputs.dtype == torch.uint8
    assert inputs.movedim(2, -1).is_contiguous()
    expected = np.stack([content(i) for i in indices])
    return np.array_equal(inputs.movedim(2, -1).numpy(), expected)


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


@pytest.mark.parametrize('trick', ['mixes', 'own memory', 'remembers'])
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


SMALL = """
import sys
sys.path.insert(0, sys.argv[1])
from test_batch_memory import Clips, batch_memory, is_right, loader
if sys.argv[2] == 'torch':
    batch_memory._has_memfd = lambda: False
for batch in loader(Clips(200), batch_size=50):
    assert is_right(batch)
print('all arrived')
"""


@pytest.mark.parametrize('way', ['ours', 'torch'])
def test_in_a_small_dev_shm(way):
    command = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"'
    tried = subprocess.run(
        ['unshare', '-m', 'sh', '-c', command, 'sh', 'true'],
        capture_output=True,
    )
    if tried.returncode:
        pytest.skip('may not mount another /dev/shm')
    run = [sys.executable, '-W', 'ignore', '-c', SMALL]
    out = subprocess.run(
        ['unshare', '-m', 'sh', '-c', command, 'sh', *run]
        + [os.path.dirname(__file__), way],
        capture_output=True,
        text=True,
    )
    if way == 'ours':
        assert out.returncode == 0, out.stderr
        assert 'all arrived' in out.stdout
    else:
        assert out.returncode == 1
        assert '/dev/shm has 0 MiB' in out.stderr


# ----------------------------------------------------------------------- kills
def leftovers(*pids):
    """Return what these processes have mapped, or left by a name."""
    found = {
        n for n in os.listdir('/dev/shm') if any(str(p) in n for p in pids)
    }
    for pid in pids:
        try:
            with open(f'/proc/{pid}/maps') as file:
                found.update(x for x in file if 'memfd:mosi_batch' in x)
        except OSError:  # has ended
            continue
    return found


KILLED_WORKER = """
import gc, os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_batch_memory import Clips, is_right, leftovers, loader
data = iter(loader(Clips(400), workers=2))
for _ in range(20):  # until all memory is known
    batch = next(data)
pids = [os.getpid(), *[worker.pid for worker in data._workers]]
assert leftovers(*pids)
os.kill(data._workers[0].pid, signal.SIGKILL)
try:
    while True:
        next(data)
except RuntimeError as error:
    print(error)
assert is_right(batch)
del data, batch
gc.collect()
assert not leftovers(*pids), leftovers(*pids)
print('nothing is left')
"""


def test_a_killed_worker_leaves_nothing():
    # In a process of its own: torch raises in whatever runs just then.
    out = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', KILLED_WORKER]
        + [os.path.dirname(__file__)],
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr
    assert 'DataLoader worker' in out.stdout
    assert 'nothing is left' in out.stdout


class _DeadEnd:
    """The descriptor of a worker that is being killed."""

    def __init__(self, error):
        self.error = error

    def detach(self):
        raise self.error


@pytest.mark.parametrize(
    'error',
    [ConnectionResetError(), ConnectionRefusedError(), EOFError()],
    ids=lambda error: type(error).__name__,
)
def test_a_worker_is_gone_when_its_silence_is_reported(error):
    # Its sockets close first. A data loader asks at once which worker is
    # not alive any more, and names none if the answer comes too early.
    worker = multiprocessing.get_context('fork').Process(
        target=time.sleep, args=(0.5,)
    )
    worker.start()
    with pytest.raises(ConnectionError, match=f'worker {worker.pid} ended'):
        batch_memory._receive(
            worker.pid, 0, _DeadEnd(error), 0, (1,), (1,), (0,)
        )
    assert not worker.is_alive()


TRAINER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from test_batch_memory import Clips, loader
data = iter(loader(Clips(4000), workers=2))
held = [next(data) for _ in range(6)]
print(*[worker.pid for worker in data._workers], flush=True)
time.sleep(600)
"""


def test_a_killed_trainer_leaves_nothing():
    with subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', TRAINER]
        + [os.path.dirname(__file__)],
        stdout=subprocess.PIPE,
        text=True,
    ) as trainer:
        workers = trainer.stdout.readline().split()
        assert len(workers) == 2
        assert all(leftovers(pid) for pid in (trainer.pid, *workers))
        trainer.kill()
    end = time.monotonic() + 60
    while leftovers(trainer.pid, *workers) and time.monotonic() < end:
        time.sleep(0.1)
    assert not leftovers(trainer.pid, *workers)
