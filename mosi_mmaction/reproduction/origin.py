"""The origin of a result: machine and code version."""

import functools
import os
import platform
import subprocess
from pathlib import Path

import torch

#: Directories next to the package in a clone.
_LINKED = [
    (Path(__file__).resolve().parents[1] / '.mim' / name).resolve()
    for name in ('configs', 'tools')
]


@functools.cache
def machine() -> str:
    """Return a description of this machine."""
    name = platform.machine()
    info = Path('/proc/cpuinfo')
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                name = line.split(':', 1)[1].strip()
                break
    if torch.cuda.is_available():
        name += f', {torch.cuda.get_device_name()}'
    return f'{os.cpu_count()} cores of {name}, torch {torch.__version__}'


@functools.cache
def commit() -> str | None:
    """Return the commit of this code; None if it is not in a clone.

    It ends in ``-dirty`` if the package, configs or tools are modified.
    """
    here = Path(__file__).resolve()

    def git(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ['git', '-C', str(here.parent), *words],
            capture_output=True,
            text=True,
        )

    try:
        # An installation may be inside another repository.
        if git('ls-files', '--error-unmatch', here.name).returncode:
            return None
        name = git('rev-parse', '--short=12', 'HEAD').stdout.strip()
        code = [str(here.parents[1]), *map(str, _LINKED)]
        dirty = git('diff', '--quiet', 'HEAD', '--', *code).returncode
    except FileNotFoundError:  # there is no git
        return None
    return name + '-dirty' * bool(dirty)
