"""What users read when a tool stops.

A mistake that the user can correct is explained in a paragraph;
``MOSI_DEBUG=1`` adds where in the code it was noticed. Unexpected errors keep
their traceback.
"""

import errno
import json
import linecache
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType

#: Directory in which ranks leave what stopped them; launch.py reads it.
ERRORS = 'MOSI_ERRORS'

_PACKAGE = Path(__file__).resolve().parents[1]
#: Where a ``raise`` is a message to the user, with the parts of MMEngine that
#: read configs and files.
_OURS = (
    f'{_PACKAGE}{os.sep}',
    f'{(_PACKAGE / ".mim" / "tools").resolve()}{os.sep}',
)
_MMENGINE = re.compile(r'/mmengine/(config|registry|runner|fileio)/')

#: Modules that the extra [vis] brings.
_VIS = ('matplotlib', 'sklearn', 'tensorboard')

#: Errors of the file system, whoever ran into them.
_FILES = (
    FileNotFoundError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    FileExistsError,
)
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)

_WORKER = re.compile(
    r'Caught (?P<kind>\w+) in DataLoader worker process \d+\.\n'
    r'Original Traceback \(most recent call last\):\n(?P<body>.*)',
    re.DOTALL,
)

_when_interrupted: Callable[[], str] | None = None


def when_interrupted(describe: Callable[[], str]) -> None:
    """Set what Ctrl-C prints: that the work is safe, and how to continue."""
    global _when_interrupted
    _when_interrupted = describe
    main = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        # A terminal interrupts workers, too. They end with this process, and
        # one that has just been forked would print a traceback.
        if os.getpid() != main:
            return
        # Python drops what is raised while it forks: raise it until
        # show_error() ignores the signal.
        again = threading.Timer(1, os.kill, (main, number))
        again.daemon = True
        again.start()
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)


def show_error(
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
) -> None:
    """Print why the program stops; for :data:`sys.excepthook`."""
    # While it formats a config, MMEngine turns Ctrl-C into a SyntaxError.
    hidden = _interrupt_in(error)
    if hidden is not None:
        kind, error = KeyboardInterrupt, hidden
    if issubclass(kind, KeyboardInterrupt):
        # A second one would end the message, and is common.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    text = user_message(error)
    of_user = text is not None
    if text is None or os.environ.get('MOSI_DEBUG', '') not in ('', '0'):
        text = ''.join(traceback.format_exception(kind, error, trace))
    elif not issubclass(kind, KeyboardInterrupt):
        name = Path(sys.argv[0]).name or 'mosi_mmaction'
        text = f'{name}: {text}\n(MOSI_DEBUG=1 shows where in the code.)\n'
    if not record(text, of_user):
        _tell_torchrun(text)
        text = text.encode('utf-8', 'backslashreplace').decode()
        print(f'\n{text.rstrip()}', file=sys.stderr, flush=True)
    if hidden is not None:  # end as Python does after Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


def user_message(error: BaseException) -> str | None:
    """Return the message for a user's mistake; None if it is not one."""
    if isinstance(error, KeyboardInterrupt):
        return _when_interrupted() if _when_interrupted else 'Interrupted.'
    if isinstance(error, SyntaxError):  # of a config
        lines = traceback.format_exception_only(type(error), error)
        return ''.join(lines).strip()
    if isinstance(error, _FILES) or (
        isinstance(error, OSError) and error.errno in _DISK
    ):
        return str(error)
    for link in _chain(error):
        missing = (getattr(link, 'name', None) or '').partition('.')[0]
        if isinstance(link, ModuleNotFoundError) and missing in _VIS:
            return (
                f'there is no module {missing!r}; run '
                '`pip install "mosi_mmaction[vis]"`'
            )
        found = _WORKER.search(str(link))
        text = _of_worker(**found.groupdict()) if found else None
        if text is not None:
            return text
        if _is_message(link):
            # str() of a KeyError is the repr of its message.
            plain = isinstance(link, KeyError) and link.args
            return str(link.args[0] if plain else link)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        context = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or context


def _interrupt_in(error: BaseException) -> KeyboardInterrupt | None:
    """Return the Ctrl-C that a library has turned into another error."""
    if isinstance(error, KeyboardInterrupt):
        return None
    links = _chain(error)
    return next((e for e in links if isinstance(e, KeyboardInterrupt)), None)


def _is_message(error: BaseException) -> bool:
    """Return whether code that checks what it was given has raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    path = trace.tb_frame.f_code.co_filename
    raised = linecache.getline(path, trace.tb_lineno).lstrip()
    if _MMENGINE.search(path):
        # An argument that a class does not have.
        called = isinstance(error, TypeError) and 'obj_cls(' in raised
        return called or raised.startswith('raise')
    return path.startswith(_OURS) and raised.startswith('raise')


def _of_worker(kind: str, body: str) -> str | None:
    """Return the message in an error that crossed from a worker."""
    frames = re.findall(r'^  File "(.*)", line \d+.*\n +(.*)', body, re.M)
    heads = list(re.finditer(rf'^(?:[\w.]+\.)?{kind}: ', body, re.M))
    if not frames or not heads:
        return None
    path, line = frames[-1]
    if not (path.startswith(_OURS) and line.startswith('raise')):
        return None
    return body[heads[-1].end() :].strip()


def record(text: str, of_user: bool) -> bool:
    """Report what stopped this rank to the launcher, which prints it last.

    Returns:
        Whether there is a launcher of ours.
    """
    folder = os.environ.get(ERRORS)
    if not folder or not os.path.isdir(folder):
        return False
    rank = os.environ.get('RANK', '0')
    facts = dict(rank=int(rank), time=time.time(), of_user=of_user, text=text)
    path = Path(folder) / f'{rank}.json'
    if not path.exists():
        path.write_text(json.dumps(facts), encoding='utf-8')
    return True


def _tell_torchrun(text: str) -> None:
    """Give torchrun a cause to show, instead of ``error_file: <N/A>``."""
    path = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if not path or os.path.exists(path):
        return
    extra = dict(py_callstack=text, timestamp=str(int(time.time())))
    message = dict(message=dict(message=text.strip(), extraInfo=extra))
    try:
        Path(path).write_text(json.dumps(message), encoding='utf-8')
    except OSError as error:
        print(f'{path}: {error}', file=sys.stderr)
