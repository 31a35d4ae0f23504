"""Memory that a process has freed, kept and released."""

import copy
import json
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from mosi_mmaction.engine.hooks.fast_model import FastModelHook
from mosi_mmaction.structures import malloc as memory


def train(model, optim_wrapper, batch):
    return model.train_step(copy.deepcopy(batch), optim_wrapper)['loss'].item()


# --------------------------------------------------------------- freed memory
MEMORY = """
import json, resource, sys
import torch
from mosi_mmaction.structures import malloc

def faults(size=2**24):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(size)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()

def least(size=2**24):
    return min(faults(size) for _ in range(8))

faults()
out = dict(stock=least(), kept=malloc.keep_freed_memory())
# A block may lie too badly to be taken again: something small was put where it
# began. Where nothing is kept, every one is new.
out.update(again=least(), smaller=least(2**23), full=resident())
malloc.release_freed_memory()
out.update(released=resident(), after=faults())
print(json.dumps(out))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='glibc only')
def test_freed_memory_is_kept_until_it_is_released():
    env = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(('MALLOC_', 'GLIBC_', 'THP_', 'LD_PRELOAD'))
    }
    out = json.loads(
        subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', MEMORY],
            env=env,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()[-1]
    )
    assert out['kept'] is True
    # 16384 pages of 4 KiB, or fewer and larger ones.
    assert max(out['again'], out['smaller']) < out['stock'] / 4
    assert out['full'] - out['released'] > 0.9 * 2**26
    assert out['after'] > out['again']


def test_memory_without_glibc(monkeypatch):
    monkeypatch.setattr(memory.ctypes, 'CDLL', lambda name: object())
    assert memory.keep_freed_memory() is False
    memory.release_freed_memory()


class Loader:
    def __init__(self, persistent_workers):
        self.persistent_workers = persistent_workers


@pytest.mark.parametrize('persistent', [True, False])
@pytest.mark.parametrize('keep', [True, False])
def test_memory_is_released_before_workers_are_forked(
    keep, persistent, monkeypatch
):
    calls = []
    monkeypatch.setattr(
        'mosi_mmaction.engine.hooks.fast_model.keep_freed_memory',
        lambda: calls.append('keep') or True,
    )
    monkeypatch.setattr(
        'mosi_mmaction.engine.hooks.fast_model.release_freed_memory',
        lambda: calls.append('release'),
    )
    hook = FastModelHook(channels_last=False, keep_memory=keep)
    runner = SimpleNamespace(
        model=torch.nn.Linear(2, 2),
        train_dataloader=Loader(persistent),
        val_dataloader=Loader(persistent),
    )
    hook.before_run(runner)
    for _ in range(3):
        hook.before_train_epoch(runner)
        calls.append('train')
        hook.before_val_epoch(runner)
        calls.append('val')
    start = ['release', 'train', 'release', 'val']
    later = ['train', 'val'] if persistent else start
    assert calls == (
        ['keep', *start, *later, *later] if keep else ['train', 'val'] * 3
    )


def test_memory_of_a_gpu_is_not_ours(monkeypatch):
    monkeypatch.setattr(
        'mosi_mmaction.engine.hooks.fast_model.keep_freed_memory',
        lambda: pytest.fail('asked for'),
    )
    FastModelHook(channels_last=False, keep_memory=True).before_run(
        SimpleNamespace(model=torch.nn.Linear(2, 2, device='meta'))
    )
