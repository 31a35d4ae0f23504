"""Hooks that do to a run what a night may do to it, for custom_imports."""

import os
import resource
import signal
import time

import torch
from mmaction.registry import HOOKS
from mmengine.dist import get_rank
from mmengine.hooks import Hook


@HOOKS.register_module()
class KillHook(Hook):
    """Kill the process in the middle of an epoch."""

    def __init__(self, epoch, batch, rank=0):
        self.when = epoch, batch, rank

    def after_train_iter(self, runner, batch_idx, **kwargs):
        if (runner.epoch, batch_idx, get_rank()) == self.when:
            with open(os.path.join(runner.work_dir, 'killed_at'), 'w') as out:
                out.write(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class FullDiskHook(Hook):
    """Let no file become larger than this from an epoch on."""

    def __init__(self, epoch, size):
        self.epoch, self.size = epoch, size

    def before_train_epoch(self, runner):
        if runner.epoch == self.epoch:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))


@HOOKS.register_module()
class SampleLogHook(Hook):
    """Write down the samples and the steps of every rank."""

    def __init__(self, out):
        self.out, self.seen = out, []

    def before_train(self, runner):
        torch.save(runner.model.state_dict(), f'{self.out}.start')

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen.append(
            [
                (runner.epoch, int(sample.metainfo.get('sample_idx', -1)), x)
                for x, sample in zip(
                    data_batch['inputs'], data_batch['data_samples']
                )
            ]
        )

    def after_train(self, runner):
        torch.save(self.seen, f'{self.out}.{get_rank()}')
