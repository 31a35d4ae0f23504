"""Run a script as several processes; print last what went wrong.

    python -m mosi_mmaction.cli.launch [options of torchrun] SCRIPT ...

Used by dist_train.sh and dist_test.sh. The ranks report the cause to this
process, which prints it once and last; torchrun's own report names no cause.
"""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from .errors import ERRORS


def recorded(folder: str) -> list[dict]:
    """Return the reports of the ranks, mistakes of the user first."""
    found = [
        json.loads(path.read_text(encoding='utf-8'))
        for path in Path(folder).glob('*.json')
    ]
    # Later failures are caused by a missing peer.
    return sorted(found, key=lambda f: (not f['of_user'], f['time']))


def cause(error: ChildFailedError, folder: str) -> str:
    """Return what stopped the first rank."""
    notes = recorded(folder)
    killed = [
        f'rank {rank} was ended by {failure.signal_name()}'
        + (
            ': the system does so where memory runs out, as the log of the '
            'kernel (dmesg) says'
            if failure.exitcode == -signal.SIGKILL
            else ''
        )
        for rank, failure in sorted(error.failures.items())
        if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM
    ]
    if killed and not any(note['of_user'] for note in notes):
        return '; '.join(killed)
    if notes:
        return f'rank {notes[0]["rank"]}: {notes[0]["text"].rstrip()}'
    rank, failure = error.get_first_failure()
    return f'rank {rank} ended with exit code {failure.exitcode}'


def main() -> int:
    """Run the script; return its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[ERRORS] = folder
        try:
            run(parse_args(sys.argv[1:]))
        except ChildFailedError as error:
            print(f'\n{cause(error, folder)}', file=sys.stderr)
            return 1
        except (KeyboardInterrupt, SignalException):
            notes = recorded(folder) or [dict(text='Interrupted.')]
            print(f'\n{notes[0]["text"].rstrip()}', file=sys.stderr)
            return 128 + signal.SIGINT
    return 0


if __name__ == '__main__':
    sys.exit(main())
