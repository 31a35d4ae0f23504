"""Distributed training on CPUs, and an orderly end of a rank."""

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
    CPU, and SyncBN does not train there. SyncBN layers become plain ones as
    they do in mmengine's one-process runs, whatever their dimensions;
    parameters and state keys stay.

    Args:
        module: The model.
        device_ids: Ignored.
        **kwargs: As of DistributedDataParallel.
    """

    def __init__(
        self, module: torch.nn.Module, device_ids: Any = None, **kwargs
    ) -> None:
        super().__init__(
            module=revert_sync_batchnorm(module), device_ids=None, **kwargs
        )


def cpu_distributed(cfg: Config, launcher: str) -> None:
    """Prepare a run of several processes on CPU, through gloo.

    To be called before the Runner is built. Does nothing for
    ``launcher='none'`` and on machines with an accelerator.

    mmengine calls ``torch.cuda.set_device`` before it joins the process
    group, whichever the backend (``mmengine/dist/utils.py:130``), but its
    Runner takes a group that exists already (``runner.py:673``). So the
    group is joined here. ``cfg`` is changed: ``model_wrapper_cfg`` becomes
    :class:`CPUDistributedDataParallel` unless the config has another
    wrapper; ``sync_bn`` is dropped.

    Args:
        cfg: The run's config, modified in place.
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
    # As the Runner does first: init_dist would choose 'spawn'.
    set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)
    dist_cfg = {**env_cfg.get('dist_cfg', {}), 'backend': 'gloo'}
    set_device = torch.cuda.set_device
    torch.cuda.set_device = lambda device: None
    try:
        init_dist(launcher, **dist_cfg)
    except KeyError as error:
        raise ValueError(
            f'--launcher {launcher}: the environment variable {error} is '
            'not set; start through tools/dist_*.sh or tools/slurm_*.sh, or '
            'leave --launcher out for one process'
        ) from error
    finally:
        torch.cuda.set_device = set_device


def end_rank() -> None:
    """End this process here if it is one of a distributed run; else return.

    To be called where a program has done all it should: the exit status is
    0. Threads are waited for, the callbacks of :mod:`atexit` run and what
    was printed is written, but the interpreter is not torn down. gloo's
    threads outlive ``destroy_process_group``, and one that lets go of the
    last reference to a tensor during the teardown aborts the process,
    rarely (https://github.com/pytorch/pytorch/pull/179291): a training that
    had done everything was reported as failed.
    """
    if not is_distributed():
        return
    # As the interpreter does it, the group last: callbacks ask for the rank.
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        torch.distributed.destroy_process_group()
    except RuntimeError as error:  # a peer is gone; the work is done
        print(f'The process group did not end well: {error}', file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)
