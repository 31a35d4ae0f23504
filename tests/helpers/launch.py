"""Run our tools in processes of their own that start fast.

They are forked from a clean server process which has imported the package,
so a run does not pay for the imports, and a kill is a real kill.
"""

import multiprocessing
import os
import random
import runpy
import socket
import sys
from pathlib import Path

import numpy as np

from helpers.paths import TESTS, TOOLS

_context = multiprocessing.get_context('forkserver')
_context.set_forkserver_preload(['mosi_mmaction', 'mmengine.runner'])


def _redirect(log, env, cwd):
    with open(log, 'ab', 0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if cwd is not None:
        os.chdir(cwd)
    # Ranks share one machine here, and need no GPU each.
    os.environ.update(CUDA_VISIBLE_DEVICES='', **env)
    # Else all of them would go on from the server's state, and what should
    # be random would agree.
    np.random.seed()
    random.seed()
    # A process that hangs says where, and ends.
    import faulthandler

    faulthandler.dump_traceback_later(240, exit=True)


def _run_tool(tool, args, log, env, cwd):
    _redirect(log, env, cwd)
    sys.argv = [tool, *map(str, args)]
    sys.path[:0] = [str(TOOLS), str(TESTS)]
    runpy.run_path(str(TOOLS / tool), run_name='__main__')


def _call(function, args, log, env, cwd):
    _redirect(log, env, cwd)
    function(*args)


def start(target, *args, log, env=None, cwd=None):
    """Start a tool (by its file name) or a function; return the process."""
    if callable(target):
        job = (_call, (target, args, log, env or {}, cwd))
    else:
        job = (_run_tool, (target, args, log, env or {}, cwd))
    process = _context.Process(target=job[0], args=job[1])
    process.start()
    return process


def run(target, *args, log, env=None, cwd=None):
    """As :func:`start`, but wait; return the exit code."""
    process = start(target, *args, log=log, env=env, cwd=cwd)
    process.join(280)
    assert process.exitcode is not None, Path(log).read_text()[-3000:]
    return process.exitcode


def ranks(count, tool, *args, log):
    """Run a tool as ``count`` ranks; return the exit codes."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    jobs = [
        start(
            tool,
            *args,
            '--launcher',
            'pytorch',
            log=f'{log}.{rank}',
            env=dict(
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE=str(count),
                LOCAL_WORLD_SIZE=str(count),
                MASTER_ADDR='127.0.0.1',
                MASTER_PORT=str(port),
            ),
        )
        for rank in range(count)
    ]
    for job in jobs:
        job.join(280)
    return [job.exitcode for job in jobs]
