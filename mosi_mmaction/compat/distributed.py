"""Distributed training on CPUs, and a clean exit of each rank."""

import atexit
import os
import sys
import threading
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import init_dist, is_distributed
from mmengine.model import MMDistributedDataParallel, revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS
from mmengine.utils.dl_utils import set_multi_processing


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """MMDistributedDataParallel for processes without a GPU.

    ``mmengine/runner/runner.py:900`` gives every wrapper
    ``device_ids=[LOCAL_RANK]``, which DistributedDataParallel refuses on
    CPUs, and SyncBN does not train there. SyncBN layers of any dimension
    become plain ones, as in mmengine's one-process runs; parameters and state
    keys stay the same.

    Args:
        module: Model to wrap.
        device_ids: Ignored.
        **kwargs: Arguments of DistributedDataParallel.
    """

    def __init__(
        self, module: torch.nn.Module, device_ids: Any = None, **kwargs
    ) -> None:
        super().__init__(
            module=revert_sync_batchnorm(module), device_ids=None, **kwargs
        )


def cpu_distributed(cfg: Config, launcher: str) -> None:
    """Prepare a run of several processes on CPUs, with gloo.

    Call this before building the Runner. It does nothing for
    ``launcher='none'`` and on machines with an accelerator.

    mmengine calls ``torch.cuda.set_device`` before it joins the process
    group, with every backend (``mmengine/dist/utils.py:130``), but its Runner
    accepts an existing group (``runner.py:673``). So the group is joined
    here. ``cfg`` is changed: ``model_wrapper_cfg`` becomes
    :class:`CPUDistributedDataParallel` unless the config has another
    wrapper, and ``sync_bn`` is dropped.

    Args:
        cfg: Config of the run, modified in place.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.

    Raises:
        ValueError: If the launcher has not set its environment variables.
    """
    if launcher == 'none' or get_device() != 'cpu':
        return
    wrapper = {
        'type': 'MMDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': cfg.get('find_unused_parameters', False),
        **(cfg.get('model_wrapper_cfg') or {}),
    }
    if wrapper['type'] == 'MMDistributedDataParallel':
        wrapper['type'] = CPUDistributedDataParallel.__name__
    cfg.model_wrapper_cfg = wrapper
    cfg.pop('sync_bn', None)
    if is_distributed():
        return
    env_cfg = cfg.get('env_cfg') or {}
    # The Runner does this first; otherwise init_dist would choose 'spawn'.
    set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)
    dist_cfg = {**env_cfg.get('dist_cfg', {}), 'backend': 'gloo'}
    set_device = torch.cuda.set_device
    torch.cuda.set_device = lambda device: None
    try:
        init_dist(launcher, **dist_cfg)
    except KeyError as error:
        raise ValueError(
            f'--launcher {launcher}: the environment variable {error} is '
            'not set; start with tools/dist_*.sh or tools/slurm_*.sh, or '
            'leave --launcher out for one process'
        ) from error
    finally:
        torch.cuda.set_device = set_device


def end_rank() -> None:
    """Exit if this process is part of a distributed run; otherwise return.

    Call this when a program has finished its work: the exit status is 0. It
    waits for threads, runs the callbacks of :mod:`atexit` and flushes the
    output, but does not tear down the interpreter. gloo's threads outlive
    ``destroy_process_group``. In rare cases, one of them releases the last
    reference to a tensor during the teardown, which aborts the process
    (https://github.com/pytorch/pytorch/pull/179291), so that a finished
    training was reported as failed.
    """
    if not is_distributed():
        return
    # In the interpreter's order, the group last: callbacks ask for the rank.
    threading._shutdown()  # type: ignore[attr-defined]  # private
    atexit._run_exitfuncs()
    try:
        torch.distributed.destroy_process_group()
    except RuntimeError as error:  # a peer is gone; the work is done
        print(f'The process group did not shut down: {error}', file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
