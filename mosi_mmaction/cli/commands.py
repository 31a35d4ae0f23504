"""Commands that users are told to type."""

import os
import os.path as osp
import shlex
import sys

from .errors import ERRORS

#: What configs read; the config in a work dir has it all.
_OF_CONFIGS = ('MOSI_DATA', 'MOSI_SPLITS', 'MOSI_PRETRAINED')


def same_command(*more: str) -> str:
    """Return the command that started this program, ready for a shell.

    With the ``MOSI_`` variables it was given; of ranks, that of their
    script.

    Args:
        *more: Arguments to add unless they are there.
    """
    words = shlex.split(os.environ.get('MOSI_COMMAND', ''))
    words = words or list(sys.orig_argv)
    words += [word for word in more if word not in words]
    return ' '.join([*_variables(), shlex.join(words)])


def other_tool(name: str, *paths: str) -> str:
    """Return the command for another tool, started as this one was.

    Args:
        name: Name of the tool, such as ``'test'``.
        *paths: Files for it, among them the config that a run has left in
            its work dir, so that what configs read need not be repeated.
    """
    python = 'python' if 'MOSI_COMMAND' in os.environ else sys.orig_argv[0]
    words = [python, '-m', 'mosi_mmaction', name]
    for folder in ('', osp.pardir):  # of tools/, of tools/data/
        script = osp.normpath(
            osp.join(osp.dirname(sys.argv[0]), folder, f'{name}.py')
        )
        if 'mosi_mmaction' not in sys.orig_argv and osp.isfile(script):
            words = [python, short_path(script)]
            break
    settings = [v for v in _variables() if not v.startswith(_OF_CONFIGS)]
    return ' '.join([*settings, shlex.join([*words, *map(short_path, paths)])])


def short_path(path: str) -> str:
    """Return a path relative to the working directory if it is below it."""
    here = osp.relpath(path)
    return path if here.startswith(osp.pardir) else here


def _variables() -> list[str]:
    """Return the ``MOSI_`` variables of the environment, for a shell."""
    return [
        f'{name}={shlex.quote(value)}'
        for name, value in sorted(os.environ.items())
        if name.startswith('MOSI_')
        and name not in (ERRORS, 'MOSI_COMMAND', 'MOSI_DEBUG')
    ]
