"""What today's versions of the stack need, one function per trouble.

Every function names what it works around, so that it can be deleted on the
day its cause is gone. File and line refer to mmengine 0.10.7 and mmaction2
1.2.0. Nothing of mmaction is imported before :func:`apply` is called.
"""

import importlib.util
import os
import os.path as osp
import pickle
import re
import sys
import warnings
from collections.abc import Callable
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer, print_log
from mmengine.utils import digit_version, package_utils


def apply() -> None:
    """Mend what must be mended before mmaction is imported; idempotent.

    It also helps where mmaction was imported before, and where an import of
    ``mmaction.models`` was tried and failed.

    Raises:
        ImportError: If mmcv or importlib_metadata is missing or unfit; the
            message names the command that mends it.
    """
    check_mmcv()
    check_importlib_metadata()
    allow_history_buffers()
    stand_in_for_drn()
    replace_pkg_resources()
    disable_broken_multimodal()
    silence_mmcv_lite()
    quote_environment()


def silence_mmcv_lite() -> None:
    """Leave out the advice to install the compiled mmcv.

    mmcv-lite warns on import that it lacks MultiScaleDeformableAttention
    (``mmcv/cnn/bricks/transformer.py:33``); no network of this package and
    none of MMAction2's recognizers uses it.
    """
    warnings.filterwarnings(
        'ignore', message='Fail to import ``MultiScaleDeformableAttention``'
    )


def check_mmcv() -> None:
    """Check that there is an mmcv, compiled or lite, that mmaction2 takes.

    mmaction2 asserts its upper bound (``mmaction/__init__.py:19``). No mmcv
    is among the hard requirements, as the distributions ``mmcv`` and
    ``mmcv-lite`` both install the folder ``mmcv`` and would overwrite each
    other.

    Raises:
        ImportError: If mmcv is missing or not in >=2.0.1,<2.2.
    """
    needs = 'mosi_mmaction needs mmcv>=2.0.1,<2.2'
    install = 'pip install "mosi_mmaction[lite]"'
    try:
        import mmcv
    except ModuleNotFoundError as error:
        if error.name != 'mmcv':
            raise  # mmcv is there, but one of its own requirements is not
        raise ImportError(
            f'{needs}, which is missing: run `{install}`'
        ) from error
    # An interrupted removal leaves a folder without a version behind.
    version = getattr(mmcv, '__version__', '0')
    if not (
        digit_version('2.0.1') <= digit_version(version) < digit_version('2.2')
    ):
        raise ImportError(
            f'{needs}, but found {version}: run `pip uninstall -y mmcv '
            f'mmcv-lite mmcv-full && {install}`'
        )


def check_importlib_metadata() -> None:
    """Check the requirement that mmaction2 imports and does not declare.

    ``mmaction/utils/dependency.py:6``. It is declared in our setup.cfg, so
    it is missing only where that was overruled (``pip install --no-deps``).

    Raises:
        ImportError: If it is missing.
    """
    if importlib.util.find_spec('importlib_metadata') is None:
        raise ImportError(
            'mmaction2 needs importlib_metadata, which is missing: run '
            '`pip install importlib_metadata`'
        )


def _history_buffer_method(owner: Any, name: str) -> Callable:
    """Stand in for getattr while a checkpoint is unpickled."""
    if owner is HistoryBuffer and name in ('min', 'max', 'mean', 'current'):
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(
        f'getattr({owner!r}, {name!r}): a checkpoint may fetch nothing but '
        'min, max, mean and current of HistoryBuffer'
    )


def allow_history_buffers() -> None:
    """Let torch load the checkpoints that mmengine writes, and no code.

    torch >= 2.6 loads with ``weights_only=True``, and mmengine stores
    HistoryBuffers, hence NumPy arrays, in ``message_hub``
    (``mmengine/runner/checkpoint.py:347``; open-mmlab/mmengine#1655). Their
    methods are pickled as calls of getattr (``mmengine/logging/
    history_buffer.py:211``). The real getattr would reach any code, so the
    name is mapped to a stand-in; ``weights_only`` is never turned off.

    Older versions of torch, which prebuilt wheels of the compiled mmcv pin,
    have neither that default nor a list that could be extended: there
    mmengine loads these files as it is, and files of strangers unprotected.
    """
    if digit_version(torch.__version__) < digit_version('2.6'):
        return
    # Taken from values, as numpy 1 and 2 keep the functions in different
    # modules; a file may have been written with either.
    functions = [np.float64(0).__reduce__()[0], np.empty(0).__reduce__()[0]]
    names = [
        (function, f'numpy.{core}.multiarray.{function.__name__}')
        for core in ('core', '_core')
        for function in functions
    ]
    torch.serialization.add_safe_globals(
        [
            HistoryBuffer,
            (_history_buffer_method, 'builtins.getattr'),
            np.ndarray,
            np.dtype,
            *{type(np.dtype(code)) for code in '?bBhHiIlLqQefd'},
            *names,
        ]
    )


def stand_in_for_drn() -> None:
    """Stand in for DRN, which is missing from mmaction2's wheel and sdist.

    ``mmaction/models/localizers/drn`` has no ``__init__.py`` and is not
    packaged, but ``localizers/__init__.py:4`` imports it
    (open-mmlab/mmaction2#2714). Where the real one lies on disk, it is used.
    """
    name = 'mmaction.models.localizers.drn.drn'
    # find_spec() of the submodule itself would import the broken parent.
    spec = importlib.util.find_spec('mmaction')
    if name in sys.modules or spec is None:
        return
    roots = spec.submodule_search_locations or []
    if any(
        osp.isfile(osp.join(root, 'models/localizers/drn/drn.py'))
        for root in roots
    ):
        return

    class DRN:
        """Placeholder of a localizer that mmaction2 does not package."""

        def __init__(self, *args, **kwargs) -> None:
            raise NotImplementedError(
                'DRN is not in the released mmaction2 (see '
                'open-mmlab/mmaction2#2714): install mmaction2 from a '
                'source checkout with `pip install -e .`'
            )

    module: Any = ModuleType(name, stand_in_for_drn.__doc__)
    module.DRN = DRN
    sys.modules[name] = module


#: What mmaction/models/multimodal/vindlu imports when it is imported.
_MULTIMODAL_IMPORTS = {
    'timm.models.layers': ['DropPath'],
    'transformers': ['BertTokenizer'],
    'transformers.file_utils': [
        'ModelOutput',
        'add_start_docstrings',
        'add_start_docstrings_to_model_forward',
        'replace_return_docstrings',
    ],
    'transformers.modeling_utils': [
        'PreTrainedModel',
        'apply_chunking_to_forward',
        'find_pruneable_heads_and_indices',
        'prune_linear_layer',
    ],
    'transformers.models.beit.modeling_beit': [
        'BeitAttention',
        'BeitDropPath',
        'BeitEmbeddings',
        'BeitLayer',
        'BeitRelativePositionBias',
    ],
}


def disable_broken_multimodal() -> None:
    """Switch off mmaction2's multimodal models where they cannot import.

    ``mmaction/utils/dependency.py:68`` takes any transformers >= 4.28 for
    enough, but the models import timm and functions that transformers 5
    removed, and ``import mmaction.models`` then fails as a whole.
    """
    if (
        'mmaction.models.multimodal' in sys.modules
        or importlib.util.find_spec('transformers') is None
    ):
        return
    dependency: Any = import_module('mmaction.utils.dependency')
    if not dependency.WITH_MULTIMODAL:
        return
    try:
        for module, names in _MULTIMODAL_IMPORTS.items():
            for name in names:
                getattr(import_module(module), name)
    # transformers wraps the failures of its lazy imports in RuntimeError.
    except (ImportError, AttributeError, RuntimeError):
        dependency.WITH_MULTIMODAL = False


def _is_installed(package: str) -> bool:
    """Return whether a distribution or a module of that name exists."""
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None
    return True


def _package2module(package: str) -> str:
    """Return the first top-level module of an installed distribution."""
    names = metadata.distribution(package).read_text('top_level.txt')
    if not names:
        raise ValueError(f'can not infer the module name of {package}')
    return names.split()[0]


def _get_installed_path(package: str) -> str:
    """Return the folder of a package, editable installs included."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        spec = importlib.util.find_spec(_package2module(package))
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f'{package} is a namespace package, which has no one folder'
        )
    return osp.dirname(spec.origin)


def replace_pkg_resources() -> None:
    """Give mmengine's package helpers a base that still exists.

    ``mmengine/utils/package_utils.py:17,48,85`` import pkg_resources, which
    setuptools 82 removed; ``_base_ = 'mmaction::...'`` and absolute
    ``read_base()`` imports need them. Where pkg_resources is installed,
    nothing is replaced.
    """
    if importlib.util.find_spec('pkg_resources') is not None:
        return
    for new in (_is_installed, _package2module, _get_installed_path):
        name = new.__name__[1:]
        old = getattr(package_utils, name)
        for key, module in list(sys.modules.items()):
            # Whoever imported the helper by name holds a copy of its own.
            if (
                key.partition('.')[0] == 'mmengine'
                and vars(module).get(name) is old
            ):
                setattr(module, name, new)


#: ``{{$NAME:default}}`` within a string; ``{{'$NAME:default'}}``, which
#: stands for a whole expression, is left to MMEngine.
_VARIABLE = re.compile(r'\{\{\s*\$(\w+)\s*:\s*\S*?\s*\}\}')


def quote_environment() -> None:
    """Let environment variables hold quotes, backslashes and odd bytes.

    MMEngine pastes their text into the source of a config
    (``mmengine/config/config.py:_substitute_env_variables``): ``O'Brien``
    ends the string there, and a backslash is read twice.
    """
    old = Config._substitute_env_variables
    if getattr(old, 'quotes', False):
        return

    def substitute(filename: str, temp_config_name: str) -> dict:
        text = Path(filename).read_text(encoding='utf-8')
        used = {}

        def value(match: re.Match) -> str:
            found = os.environ.get(match[1])
            if found is None:
                return match[0]
            used[match[1]] = found
            if not filename.endswith('.py'):
                return found
            quoted = found.encode('unicode_escape', 'surrogatepass').decode()
            return quoted.replace("'", "\\'").replace('"', '\\"')

        text = _VARIABLE.sub(value, text)
        Path(temp_config_name).write_text(text, encoding='utf-8')
        for name, found in used.items():
            print_log(f'{name}={found!r} from the environment', 'current')
        return {**old(temp_config_name, temp_config_name), **used}

    substitute.quotes = True  # type: ignore[attr-defined]
    Config._substitute_env_variables = staticmethod(substitute)
