"""The declaration of a training run: everything that decides its result."""

import copy
import functools
import hashlib
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from mmengine.config import Config

from ..config.pretraining import set_motion
from ..config.running import set_epochs

#: Keys of a config that say what is printed or kept, and hooks that only
#: watch, check or write. They are not part of a run's hash, so a version with
#: another log or check goes on with the runs of the one before.
_REPORTING = frozenset(
    {'log_level', 'log_processor', 'resume', 'vis_backends', 'visualizer'}
)
_WATCHING = frozenset(
    {
        'CheckChannelsHook',
        'CheckLabelsHook',
        'CheckLoadedHook',
        'CheckpointHook',
        'IterTimerHook',
        'LoggerHook',
        'RecordHook',
        'RuntimeInfoHook',
        'SafeCheckpointHook',
        'StepTimeHook',
    }
)


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: Name of the run and of its directory below the common root.
        config: Path of its base config.
        epochs: Number of epochs; None keeps the config's.
        seed: Seed of the run.
        init: Name of the run whose last checkpoint it starts from.
        options: Dotted keys of the config and their values.
        motion: Arguments of :func:`mosi_mmaction.set_motion`.
        variables: Environment variables that the config reads.
        test: Whether the result is that of tools/test.py instead of the
            last validation.
        cost: Expected core- or GPU-seconds per epoch, used as the weight in
            progress.
    """

    name: str
    config: str
    epochs: int | None = None
    seed: int = 0
    init: str | None = None
    options: dict = field(default_factory=dict)
    motion: dict = field(default_factory=dict)
    variables: dict = field(default_factory=dict)
    test: bool = False
    cost: float = 1.0

    def resolve(self, root: Path, runs: dict) -> Config:
        """Return the complete config of the run.

        Args:
            root: Directory of all runs.
            runs: All runs by name.
        """
        cfg = copy.deepcopy(
            _read_config(self.config, tuple(sorted(self.variables.items())))
        )
        if self.motion:
            set_motion(cfg, **self.motion)
        if self.epochs is not None:
            set_epochs(cfg, self.epochs)
        cfg.randomness = dict(cfg.get('randomness') or {}, seed=self.seed)
        cfg.load_from = None
        cfg.merge_from_dict(self.options)
        if self.init is not None:
            last = runs[self.init].resolve(root, runs).train_cfg.max_epochs
            cfg.load_from = str(root / self.init / f'epoch_{last}.pth')
        return cfg

    def spec(self, runs: dict) -> str:
        """Return a hash of everything that decides the result.

        Names do not count, nor does what is only logged, checked or kept.
        Data count by their paths, including lists and frames made below the
        root.

        Args:
            runs: All runs by name; only those that this one depends on are
                used.
        """
        content = _deciding(self.resolve(Path(), runs).to_dict())
        if self.init is not None:
            content['load_from'] = runs[self.init].spec(runs)
        content['test'] = self.test
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def declaration(self, root: Path) -> dict:
        """Return the run in plain types, for a line of results.

        Args:
            root: Directory of all runs.

        Returns:
            ``id``, ``config`` (name), ``seed``, ``init``, ``epochs``,
            ``motion``, ``options``, ``data`` (values of the config's
            variables) and ``test``. Paths below the root begin with
            ``$WORK_DIR``, those below the directory of a variable with that
            variable; others are reduced to their last two parts, so that no
            local path is published.
        """
        places = {f'${k}': v for k, v in self.variables.items()}
        places['$WORK_DIR'] = str(root.resolve())
        return dict(
            id=self.name,
            config=_config_name(self.config),
            seed=self.seed,
            init=self.init,
            epochs=self.epochs,
            motion=_portable(self.motion, {}),
            options=_portable(self.options, places),
            data=_portable(self.variables, {'$WORK_DIR': places['$WORK_DIR']}),
            test=self.test,
        )


def _deciding(content: dict) -> dict:
    """Return a config without what cannot change the result of its run."""
    kept = {k: v for k, v in content.items() if k not in _REPORTING}
    kept['default_hooks'] = {
        name: hook
        for name, hook in (content.get('default_hooks') or {}).items()
        if hook is not None and hook['type'] not in _WATCHING
    }
    kept['custom_hooks'] = [
        hook
        for hook in content.get('custom_hooks') or []
        if hook['type'] not in _WATCHING
    ]
    return kept


def _config_name(path: str) -> str:
    # A user's own config is named after its file.
    name = Path(path).with_suffix('')
    _, found, below = name.as_posix().rpartition('/configs/')
    return below if found else name.name


def _portable(value: Any, places: dict[str, str]) -> Any:
    """Return plain types without the paths of this machine."""
    if isinstance(value, dict):
        return {k: _portable(v, places) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(v, places) for v in value]
    if not isinstance(value, str) or not os.path.isabs(value):
        return value
    for name, place in places.items():
        if value == place or value.startswith(f'{place}/'):
            return name + value[len(place) :]
    return '/'.join(Path(value).parts[-2:])


def portable_command(words: Sequence[str]) -> str:
    """Return a command without the paths of this machine."""
    cut = []
    for word in words:
        option, equals, value = word.partition('=')
        if equals and option.startswith('--'):
            word = option + equals + _portable(value, {})
        cut.append(_portable(word, {}))
    return shlex.join(cut)


@functools.cache
def _read_config(path: str, variables: tuple) -> Config:
    with mock.patch.dict(os.environ, variables):
        return Config.fromfile(path)
