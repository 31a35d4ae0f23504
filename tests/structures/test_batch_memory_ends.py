"""Kept memory when there is little of it, or a process dies."""

import multiprocessing
import subprocess
import sys
import time

import pytest

from helpers.kept_batches import leftovers
from helpers.paths import TESTS
from mosi_mmaction.structures import batch_memory

pytestmark = pytest.mark.skipif(
    not batch_memory._has_memfd(), reason='needs memfd_create (Linux)'
)


SMALL = """
import sys
sys.path.insert(0, sys.argv[1])
from helpers.kept_batches import Clips, batch_memory, is_right, loader
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
        ['unshare', '-m', 'sh', '-c', command, 'sh', *run] + [str(TESTS), way],
        capture_output=True,
        text=True,
    )
    if way == 'ours':
        assert out.returncode == 0, out.stderr
        assert 'all arrived' in out.stdout
    else:
        assert out.returncode == 1
        assert '/dev/shm has 0 MiB' in out.stderr


KILLED_WORKER = """
import gc, os, signal, sys
sys.path.insert(0, sys.argv[1])
from helpers.kept_batches import Clips, is_right, leftovers, loader
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
        [sys.executable, '-W', 'ignore', '-c', KILLED_WORKER] + [str(TESTS)],
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
from helpers.kept_batches import Clips, loader
data = iter(loader(Clips(4000), workers=2))
held = [next(data) for _ in range(6)]
print(*[worker.pid for worker in data._workers], flush=True)
time.sleep(600)
"""


def test_a_killed_trainer_leaves_nothing():
    with subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-c', TRAINER] + [str(TESTS)],
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
