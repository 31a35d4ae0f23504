"""Workarounds for current dependency versions, one function per issue.

Every function names what it works around, so that it can be deleted once the
cause is gone. File and line refer to mmengine 0.10.7 and mmaction2 1.2.0.
Nothing from mmaction is imported before :func:`apply` is called.
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
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
from mmengine.utils import digit_version, package_utils


def apply() -> None:
    """Apply the workarounds that must precede importing mmaction.

    Calling it again has no further effect. It also works if mmaction has
    already been imported, or if importing ``mmaction.models`` has failed.

    Raises:
        ImportError: If mmcv or importlib_metadata is missing or unsuitable;
            the message names the command that fixes it.
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
    """Suppress the advice to install the compiled mmcv.

    mmcv-lite warns on import that it lacks MultiScaleDeformableAttention
    (``mmcv/cnn/bricks/transformer.py:33``). No network of this package and
    no recognizer of MMAction2 uses it.
    """
    warnings.filterwarnings(
        'ignore', message='Fail to import ``MultiScaleDeformableAttention``'
    )


def check_mmcv() -> None:
    """Check for an mmcv, compiled or lite, that mmaction2 accepts.

    mmaction2 asserts its upper bound (``mmaction/__init__.py:19``). mmcv is
    not a hard requirement, because the distributions ``mmcv`` and
    ``mmcv-lite`` both install the directory ``mmcv`` and would overwrite each
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
    # An interrupted removal leaves behind a directory without a version.
    version = getattr(mmcv, '__version__', '0')
    if not (
        digit_version('2.0.1') <= digit_version(version) < digit_version('2.2')
    ):
        raise ImportError(
            f'{needs}, but found {version}: run `pip uninstall -y mmcv '
            f'mmcv-lite mmcv-full && {install}`'
        )


def check_importlib_metadata() -> None:
    """Check the requirement that mmaction2 imports but does not declare.

    See ``mmaction/utils/dependency.py:6``. Our setup.cfg declares it, so it
    is only missing if that was overridden (``pip install --no-deps``).

    Raises:
        ImportError: If it is missing.
    """
    if importlib.util.find_spec('importlib_metadata') is None:
        raise ImportError(
            'mmaction2 needs importlib_metadata, which is missing: run '
            '`pip install importlib_metadata`'
        )


#: What checkpoints of MMEngine fetch by getattr.
_METHODS = {
    HistoryBuffer: ('min', 'max', 'mean', 'current'),
    OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
}


def _checkpoint_method(owner: Any, name: str) -> Callable:
    """Replace getattr while a checkpoint is unpickled."""
    for allowed, names in _METHODS.items():
        if owner is allowed and name in names:
            return getattr(allowed, name)
    raise pickle.UnpicklingError(
        f'getattr({owner!r}, {name!r}): a checkpoint may only fetch '
        'min, max, mean and current of HistoryBuffer, and the curves of '
        'OneCycleParamScheduler'
    )


def allow_history_buffers() -> None:
    """Let torch load the checkpoints that mmengine writes, but no code.

    torch >= 2.6 loads with ``weights_only=True``, and mmengine stores
    HistoryBuffers, and so NumPy arrays, in ``message_hub``
    (``mmengine/runner/checkpoint.py:347``; open-mmlab/mmengine#1655). Their
    methods are pickled as calls of getattr (``mmengine/logging/
    history_buffer.py:211``), and so is a function in the state of OneCycleLR
    (``mmengine/optim/scheduler/param_scheduler.py:1000``). The real getattr
    could reach any code, so the name is mapped to a stand-in;
    ``weights_only`` is never turned off.

    Older versions of torch, which prebuilt wheels of the compiled mmcv pin,
    have neither this default nor a list that could be extended. With them,
    mmengine loads these files anyway, and untrusted files without protection.
    """
    if digit_version(torch.__version__) < digit_version('2.6'):
        return
    # Taken from values, because numpy 1 and 2 keep the functions in different
    # modules, and a file may have been written with either.
    values = np.float64(0), np.empty(0)
    functions: list[Any] = [value.__reduce__()[0] for value in values]
    names = [
        (function, f'numpy.{core}.multiarray.{function.__name__}')
        for core in ('core', '_core')
        for function in functions
    ]
    torch.serialization.add_safe_globals(
        [
            *_METHODS,
            (_checkpoint_method, 'builtins.getattr'),
            np.ndarray,
            np.dtype,
            *{type(np.dtype(code)) for code in '?bBhHiIlLqQefd'},
            *names,
        ]
    )


def stand_in_for_drn() -> None:
    """Replace DRN, which is missing from mmaction2's wheel and sdist.

    ``mmaction/models/localizers/drn`` has no ``__init__.py`` and is not
    packaged, but ``localizers/__init__.py:4`` imports it
    (open-mmlab/mmaction2#2714). If the real one is on disk, it is used.
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
        """Placeholder for a localizer that mmaction2 does not package."""

        def __init__(self, *args, **kwargs) -> None:
            raise NotImplementedError(
                'DRN is not in the released mmaction2 (see '
                'open-mmlab/mmaction2#2714): install mmaction2 from a '
                'source checkout with `pip install -e .`'
            )

    module: Any = ModuleType(name, stand_in_for_drn.__doc__)
    module.DRN = DRN
    sys.modules[name] = module


#: Modules that mmaction/models/multimodal/vindlu imports.
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
    """Switch off mmaction2's multimodal models if they cannot be imported.

    ``mmaction/utils/dependency.py:68`` accepts any transformers >= 4.28, but
    the models import timm and functions that transformers 5 removed, and
    then ``import mmaction.models`` fails altogether.
    """
    if (
        'mmaction.models.multimodal' in sys.modules
        or importlib.util.find_spec('transformers') is None
    ):
        return
    dependency: Any = import_module('mmaction.utils.dependency')
    if not dependency.WITH_MULTIMODAL:
        return
    if not _multimodal_names_exist():
        dependency.WITH_MULTIMODAL = False
        return
    # All names are there. mmaction imports these modules in any case then.
    try:
        for module, names in _MULTIMODAL_IMPORTS.items():
            for name in names:
                getattr(import_module(module), name)
    # transformers raises RuntimeError when one of its lazy imports fails.
    except (ImportError, AttributeError, RuntimeError):
        dependency.WITH_MULTIMODAL = False


def _multimodal_names_exist() -> bool:
    """Look into the source files, as the imports take seconds."""
    for module, names in _MULTIMODAL_IMPORTS.items():
        package, *parts = module.split('.')
        spec = importlib.util.find_spec(package)
        if spec is None:
            return False
        if not parts:  # its names come from anywhere
            continue
        roots = spec.submodule_search_locations or []
        files = [
            file
            for root in roots
            for file in (
                Path(root, *parts).with_suffix('.py'),
                Path(root, *parts, '__init__.py'),
            )
            if file.is_file()
        ]
        if not files:
            return False
        words = re.findall(r'\w+', files[0].read_text(encoding='utf-8'))
        if not set(names) <= set(words):
            return False
    return True


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
    """Return the directory of a package, also of editable installs."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        spec = importlib.util.find_spec(_package2module(package))
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f'{package} is a namespace package, which has no single directory'
        )
    return osp.dirname(spec.origin)


def replace_pkg_resources() -> None:
    """Make mmengine's package helpers work without pkg_resources.

    ``mmengine/utils/package_utils.py:17,48,85`` import pkg_resources, which
    setuptools 82 removed; ``_base_ = 'mmaction::...'`` and absolute
    ``read_base()`` imports need them. If pkg_resources is installed, nothing
    is replaced.
    """
    if importlib.util.find_spec('pkg_resources') is not None:
        return
    for new in (_is_installed, _package2module, _get_installed_path):
        name = new.__name__[1:]
        old = getattr(package_utils, name)
        for key, module in list(sys.modules.items()):
            # Modules that imported the helper by name hold their own copy.
            if (
                key.partition('.')[0] == 'mmengine'
                and vars(module).get(name) is old
            ):
                setattr(module, name, new)


#: ``{{$NAME:default}}`` inside a string; ``{{'$NAME:default'}}``, which
#: stands for a whole expression, is left to MMEngine.
_VARIABLE = re.compile(r'\{\{\s*\$(\w+)\s*:\s*\S*?\s*\}\}')


def quote_environment() -> None:
    """Let environment variables contain quotes, backslashes and any byte.

    MMEngine pastes their text into the source of a config
    (``mmengine/config/config.py:_substitute_env_variables``), where
    ``O'Brien`` ends the string and a backslash is read twice.
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
