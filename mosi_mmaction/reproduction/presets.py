"""Presets: the scale at which experiments are run."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Optional

from mmengine.config import Config

from ..files import part_of
from .paper_figures import PUBLISHED, PUBLISHED_PRETEXT
from .run_commands import TOOLS
from .runs import Run

CONFIGS = (TOOLS.parent / 'configs').resolve()

#: The arguments of set_motion that define the label pool.
POOL_KEYS = (
    'num_speeds',
    'axes',
    'decoupled',
    'static',
    'motions',
    'signed',
)


@dataclass
class Row:
    """One condition.

    Attributes:
        condition: Condition in words.
        finetunes: Names of the fine-tuning runs, one per replicate.
        pretrains: Names of the pretraining runs: none, one, or one per
            replicate.
        baseline: Condition to compare with, replicate by replicate.
        paper: Published top-1 in %, at the paper's size.
        paper_pretext: Published pretext top-1 in %.
    """

    condition: str
    finetunes: list[str]
    pretrains: list[str] = field(default_factory=list)
    baseline: Optional['Row'] = None
    paper: float | None = None
    paper_pretext: float | None = None


class Preset:
    """Networks and data of experiments; collects the runs they need.

    Args:
        root: Directory of all runs and their inputs.
        seeds: Number of fine-tuning runs per condition.
        network: Network, one of ``networks``, unless a table names another;
            None keeps the preset's.
        epochs: Numbers of epochs of pretraining and fine-tuning; None keeps
            the preset's.
        speed: Number of clips of the fine-tuning size that one core (or GPU)
            trains on in a second, for estimates only.

    Raises:
        ValueError: If there is no such network.

    Attributes:
        networks: Available networks by name.
        targets: Datasets to fine-tune on.
        runs: All requested runs by name.
        todo: Functions that make the inputs of the runs, by path.
        variant: Part of the tables' names that identifies their data.
        frames: Numbers of frames of pretraining clips, by the paper's.
        shots: Numbers of training videos per class of Table 3.
        mask_ratios: Sides of the moving box of Figure 7, as ratios.
        random_masks: Arguments of set_motion, by the range of sides; the
            paper's own come first.
    """

    name: str
    targets: tuple[str, ...]
    network: str
    networks: Mapping[str, Any]
    clip_len: int
    #: Size of fine-tuning clips; costs are counted in clips of this size.
    side: int
    speed: float
    unit: str
    variant = ''
    frames: dict[int, int]
    shots: tuple[int, ...]
    mask_ratios: tuple[float, ...]
    random_masks: dict[str, dict[str, Any]]

    def __init__(
        self,
        root: Path,
        seeds: int,
        epochs: Sequence[int | None] = (None, None),
        speed: float | None = None,
        network: str | None = None,
    ) -> None:
        if network not in (None, self.network):
            if network not in self.networks:
                raise ValueError(
                    f'--network {network}: the preset {self.name} has '
                    f'{", ".join(self.networks)}'
                )
            self.network, self.variant = network, f'_{network}'
        self.root = root.resolve()
        self.seeds = range(seeds)
        self.pretrain_epochs, self.finetune_epochs = epochs
        self.speed = speed or self.speed
        self.runs: dict[str, Run] = {}
        self.todo: dict[Path, Callable[[Path], None]] = {}

    def prepare(self) -> None:
        """Make the lists, frames and videos that the runs read."""
        for path, make in self.todo.items():
            make(path)

    def describe(self, folds: bool = False) -> list[str]:
        """Return sentences that describe the runs.

        Args:
            folds: Whether a condition has one run per fold, not per seed.
        """
        raise NotImplementedError

    def image_rows(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return Table 4: (condition, key, arguments of mosi)."""
        raise NotImplementedError

    def source_rows(self) -> list[tuple[str, dict[str, Any]]]:
        """Return kinds of images: (condition, arguments of mosi)."""
        raise NotImplementedError

    def add(self, config: str, work: float, **kwargs) -> str:
        """Add a run and return its name; an existing run is shared.

        Args:
            config: Name of the config.
            work: Number of clips of the fine-tuning size per epoch.
            **kwargs: Arguments of :class:`runs.Run`.
        """
        run = Run(
            'new',
            str(CONFIGS / f'{config}.py'),
            cost=work / self.speed,
            **kwargs,
        )
        digest = run.spec(self.runs)[:12]
        name = f'{config.replace("/", "-")}-{digest}'
        self.runs.setdefault(name, replace(run, name=name))
        return name

    def mosi(
        self,
        target: str,
        *,
        network: str | None = None,
        source: str | None = None,
        num: int | None = None,
        motion: dict[str, Any] | None = None,
        flip_rendered: bool = False,
        seed: int = 0,
    ) -> str:
        """Add a pretraining run and return its name.

        Args:
            target: Dataset of the later fine-tuning runs.
            network: Network; None is the preset's.
            source: One of the preset's sources of images.
            num: Number of images.
            motion: Arguments of set_motion.
            flip_rendered: Whether to flip in the released order.
            seed: Seed of the run.
        """
        raise NotImplementedError

    def finetune(
        self,
        target: str,
        init: str | list[str] | None,
        *,
        network: str | None = None,
        options: dict[str, Any] | None = None,
        shots: int | None = None,
        rate: float = 1,
        head_rate: float | None = None,
    ) -> list[str]:
        """Add the fine-tuning runs of a condition and return their names.

        Args:
            target: Dataset.
            init: Name of the pretraining run, or one per replicate; None is
                from scratch.
            network: Network; None is the preset's.
            options: Dotted keys of the config and their values.
            shots: Number of training videos per class; None is all.
            rate: Factor of the learning rate.
            head_rate: Another factor for the classifier.
        """
        raise NotImplementedError

    def tuning_of(self, target: str) -> str:
        """Return the name of the config that fine-tunes on a dataset."""
        raise NotImplementedError

    def row(
        self,
        target: str,
        condition: str,
        init: str | list[str] | None = None,
        key: str = '',
        baseline: Row | None = None,
        **kwargs,
    ) -> Row:
        """Return a row with its fine-tuning runs.

        Args:
            target: Dataset.
            condition: Condition in words.
            init: Name of the pretraining run, or one per replicate.
            key: Key of the published figures.
            baseline: Row to compare with.
            **kwargs: Arguments of :meth:`finetune`.
        """
        if len(self.targets) > 1:
            condition = f'{target.upper()}: {condition}'
        published = published_target(target)
        pretrains = [init] if isinstance(init, str) else list(init or [])
        return Row(
            condition,
            self.finetune(target, init, **kwargs),
            pretrains,
            baseline,
            PUBLISHED[published].get(key),
            PUBLISHED_PRETEXT[published].get(key),
        )

    def finished(self, row: Row) -> bool:
        """Return whether all runs of a row are finished."""
        return all(
            (self.root / name / 'result.json').exists()
            for name in (*row.pretrains, *row.finetunes)
        )

    def scratch(self, target: str, **kwargs) -> Row:
        """Return the row of training from scratch."""
        return self.row(target, 'from scratch', key='scratch', **kwargs)

    def pixels(self, clip_len: int, side: int) -> float:
        """Return the size of a clip relative to fine-tuning clips."""
        return clip_len * side**2 / (self.clip_len * self.side**2)

    def list_lowshot(self, ann_file: Path, shots: int) -> Path:
        """Return the list of ``shots`` training videos per class."""
        stem = f'{ann_file.stem}_{shots}shot_{digest_of(str(ann_file))}'
        path = self.root / 'lists' / f'{stem}.txt'
        self.todo[path] = lambda out: write_subset(
            'lowshot', ann_file, shots, out, '--allow-fewer'
        )
        return path


def published_target(target: str) -> str:
    """Return the dataset whose published figures a target is shown with."""
    return target if target in PUBLISHED else 'hmdb'


def flip_rendered_options(config: str) -> dict:
    """Return the options that flip after rendering."""
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    steps = []
    for step in cfg.train_dataloader.dataset.pipeline:
        step = dict(step)
        if step['type'] == 'CropSource':
            step['flip_ratio'] = 0.0
        steps.append(step)
        if step['type'] == 'RenderPseudoMotion':
            steps.append(dict(type='FlipRendered'))
    imports = [
        *cfg.custom_imports.imports,
        'mosi_mmaction.reproduction.flip_rendered',
    ]
    return {
        'train_dataloader.dataset.pipeline': steps,
        'custom_imports.imports': imports,
    }


def rate_options(
    config: str, factor: float, head: float | None = None
) -> dict:
    """Return the options that scale the learning rate of a config.

    Args:
        config: Name of the config.
        factor: Factor of the whole network.
        head: Factor of the classifier, if it has its own.
    """
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    options = {
        'optim_wrapper.optimizer.lr': factor * cfg.optim_wrapper.optimizer.lr
    }
    if head is not None:
        options['optim_wrapper.paramwise_cfg.custom_keys'] = {
            'cls_head': dict(lr_mult=head / factor)
        }
    return options


def interval_options(config: str, interval: int) -> dict:
    """Return the options that take every ``interval``-th frame."""
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    return {
        f'{part}_dataloader.dataset.pipeline.{i}.frame_interval': interval
        for part in ('train', 'val', 'test')
        for i, step in enumerate(cfg[f'{part}_dataloader'].dataset.pipeline)
        if step['type'] == 'SampleFrames'
    }


def write_subset(
    kind: str, source: Path, num: int, out: Path, *more: str
) -> None:
    """Run tools/data/subset.py."""
    part = part_of(out)
    subprocess.run(
        [
            sys.executable,
            str(TOOLS / 'data/subset.py'),
            kind,
            str(source),
            '-n',
            str(num),
            '--out',
            str(part),
            *more,
        ],
        check=True,
    )
    part.replace(out)


def digest_of(text: str) -> str:
    """Return eight hexadecimal digits that identify a text."""
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[
        :8
    ]
