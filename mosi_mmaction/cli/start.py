"""How a tool starts: arguments first, then the imports that take seconds."""

import contextlib
import io
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from ..config.lookup import find_config
from .errors import record, show_error

#: The scripts; in a clone a link to tools/.
TOOLS = Path(__file__).resolve().parents[1] / '.mim' / 'tools'


def parses_first() -> bool:
    """Return whether the program is one of our tools.

    Such a program imports the package before it has parsed its arguments,
    and calls :func:`start` when it has. Everything else that imports the
    package gets all of it at once.
    """
    if sys.argv[:1] == ['-m']:  # Python is looking for the module
        ours = ('mosi_mmaction', 'mosi_mmaction.cli.launch')
        return any(arg.endswith(ours) for arg in sys.orig_argv)
    path = getattr(sys.modules.get('__main__'), '__file__', None)
    return path is not None and Path(path).resolve().is_relative_to(
        TOOLS.resolve()
    )


def start(parse_args: Callable[[], Any], package: bool = True) -> None:
    """Parse the arguments, then import the package.

    To be called in a tool above the imports that take seconds, so that
    ``--help`` and mistakes in arguments are answered at once. From here on,
    errors of the user are shown as a paragraph, see
    :func:`~mosi_mmaction.cli.errors.show_error`.

    Args:
        parse_args: Parses the command line, or exits; ``main()`` calls it
            again.
        package: Whether the tool uses the package's registered classes, or
            torch.

    Raises:
        FileNotFoundError: If there is no such ``config``.
    """
    sys.excepthook = show_error
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            args = parse_args()
    except SystemExit as error:
        if not (error.code and record(said.getvalue(), of_user=True)):
            sys.stderr.write(said.getvalue())
        raise
    sys.stderr.write(said.getvalue())
    if getattr(args, 'config', None):
        find_config(args.config)
    if package:
        import_module('mosi_mmaction.public')
