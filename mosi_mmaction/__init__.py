"""MoSI for MMAction2: teach video networks motion from still images.

Importing the package registers everything of it into MMAction2's own
registries, so that ``custom_imports=dict(imports=['mosi_mmaction'])`` is
all that a config needs. Only the package's own tools put that off until they
have parsed their arguments, see :mod:`mosi_mmaction.cli.start`.
"""

from typing import TYPE_CHECKING, Any

from .cli.start import parses_first

if TYPE_CHECKING or not parses_first():
    from .public import *  # noqa: F403
    from .public import __all__  # noqa: F401
else:

    def __getattr__(name: str) -> Any:
        """Import the rest as soon as a public name is asked for."""
        from importlib import import_module
        from importlib.util import find_spec

        # A submodule, which `from mosi_mmaction import NAME` imports next.
        if name.startswith('__') and name not in ('__version__', '__all__'):
            raise AttributeError(name)
        if find_spec(f'{__name__}.{name}') is not None:
            raise AttributeError(name)
        return getattr(import_module('.public', __name__), name)
