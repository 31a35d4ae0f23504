"""Processes in which the workarounds of compat are tried."""

import os
import subprocess
import sys

from mmengine.runner import CheckpointLoader

from helpers.paths import ROOT
from mosi_mmaction.compat import imports as compat

compat.apply()


def run(*args, path='', **env):
    """Run python; -> (exit status, stdout, stderr)."""
    env = {
        **os.environ,
        'OMP_NUM_THREADS': '1',
        'PYTHONPATH': str(path),
        **env,
    }
    done = subprocess.run(
        [sys.executable, *map(str, args)],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


# compat is loaded from its file, so that these tests tell apart what it does
# from what the rest of the package imports.
LOAD_COMPAT = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    'compat', {str(ROOT / 'mosi_mmaction' / 'compat' / 'imports.py')!r})
compat = importlib.util.module_from_spec(spec)
sys.modules['compat'] = compat
spec.loader.exec_module(compat)
"""


# -------------------------------------------------------------- checkpoints
def load(path):
    """Load as the Runner does."""
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
