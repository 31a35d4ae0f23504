"""The experiments of the paper, and two of ours, as declared runs.

An experiment is a list of rows; a row is a condition: one pretraining (or
none) and one fine-tuning for every replicate, a seed or a fold. What a row
is made of comes from a preset: :class:`Tiny` trains in minutes on a CPU,
:class:`Paper` at the paper's size. A run is named by a hash of all that
decides its result, so what two experiments share is trained once.
"""
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Optional

import cv2
import numpy as np
from mmengine.config import Config
from runs import TOOLS, Run

from mosi_mmaction import LabelPool
from mosi_mmaction.action_videos import write_action_videos
from mosi_mmaction.datasets.sources import in_validation, scan_tree
from mosi_mmaction.video import read_frame

CONFIGS = TOOLS.parent / 'configs'
_POOL = ('num_speeds', 'axes', 'decoupled', 'static')

#: Fine-tuning top-1 in % as published, by target and condition.
PUBLISHED = {
    'hmdb': {
        'scratch': 30.4, 'axes xy': 47.0, 'axes x': 44.9, 'axes y': 43.1,
        'speeds 3': 43.0, 'speeds 5': 47.0, 'speeds 7': 44.6,
        'speeds 9': 44.5, 'frames 8': 45.6, 'frames 12': 44.9,
        'frames 16': 47.0, 'frames 24': 44.6, 'frames 32': 45.5,
        'shots 3': (4.5, 8.1), 'shots 5': (6.7, 12.5),
        'shots 7': (8.1, 17.4), 'shots 9': (10.4, 22.2),
        'shots 11': (11.7, 24.1), 'shots 13': (14.8, 25.4),
        'shots all': (30.4, 46.9), 'own frames': 47.0, 'S5': 47.3,
        'S10': 47.8, 'S20': 48.0, 'S30': 47.6, 'r2d3d': 47.0,
        'r2d3d k400': 48.6, 'r2p1d': 51.8,
    },
    'ucf': {
        'scratch': 64.5, 'axes xy': 71.8, 'axes x': 71.6, 'axes y': 69.9,
        'speeds 3': 70.1, 'speeds 5': 71.8, 'speeds 7': 70.9,
        'speeds 9': 71.3, 'frames 8': 71.7, 'frames 12': 71.0,
        'frames 16': 71.8, 'frames 24': 71.1, 'frames 32': 70.0,
        'own frames': 71.8, 'S5': 71.1, 'S10': 70.5, 'S20': 71.2,
        'S30': 71.9, 'r2d3d': 71.8, 'r2d3d k400': 70.7, 'r2p1d': 82.8,
    },
}

#: Pretext top-1 in % as published (Acc-PT of Tables 2 and 4).
PUBLISHED_PRETEXT = {
    'hmdb': {
        'speeds 3': 79.7, 'speeds 5': 96.1, 'speeds 7': 96.3,
        'speeds 9': 96.6, 'frames 8': 93.7, 'frames 12': 95.0,
        'frames 16': 96.1, 'frames 24': 94.5, 'frames 32': 91.7,
        'own frames': 96.1, 'S5': 83.1, 'S10': 87.8, 'S20': 96.9,
        'S30': 97.8,
    },
    'ucf': {
        'speeds 3': 81.4, 'speeds 5': 98.2, 'speeds 7': 99.1,
        'speeds 9': 99.4, 'frames 8': 98.1, 'frames 12': 98.3,
        'frames 16': 98.2, 'frames 24': 98.1, 'frames 32': 99.6,
        'own frames': 98.2, 'S5': 83.1, 'S10': 87.8, 'S20': 96.9,
        'S30': 97.7,
    },
}


@dataclass
class Row:
    """One condition.

    Attributes:
        condition: In words.
        finetunes: Names of the fine-tunings, one a replicate.
        pretrain: Name of the pretraining.
        baseline: The condition it is compared with, replicate by replicate.
        paper: Published top-1 in %, of the paper's own size.
        paper_pretext: Published pretext top-1 in %.
    """

    condition: str
    finetunes: list[str]
    pretrain: Optional[str] = None
    baseline: Optional['Row'] = None
    paper: Optional[float] = None
    paper_pretext: Optional[float] = None


@dataclass
class Experiment:
    """A table to be."""

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Preset:
    """What experiments are built from; collects the runs they need.

    Args:
        root: Folder of all runs, and of what is made for them.
        seeds: Fine-tunings of a condition.
        epochs: Of pretraining and of fine-tuning; None keeps the preset's.
        speed: Clips of the fine-tuning's size that one core (or GPU) trains
            on in a second. For estimates only.

    Attributes:
        targets: Data sets to fine-tune on.
        runs: All runs that were asked for, by name.
        todo: What has to be made before the runs, by path.
    """

    name: str
    targets: tuple[str, ...]
    network: str
    clip_len: int
    #: Of the fine-tuning; costs are counted in clips of this size.
    side: int
    speed: float
    unit: str

    def __init__(self, root: Path, seeds: int,
                 epochs: Sequence[Optional[int]] = (None, None),
                 speed: Optional[float] = None) -> None:
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

    def add(self, config: str, work: float, **kwargs) -> str:
        """Add a run and return its name; a run that is there is shared.

        Args:
            config: Name of the config.
            work: Clips of the fine-tuning's size an epoch.
            **kwargs: Of :class:`runs.Run`.
        """
        run = Run('new', str(CONFIGS / f'{config}.py'),
                  cost=work / self.speed, **kwargs)
        digest = run.spec(self.runs)[:12]
        name = f'{config.replace("/", "-")}-{digest}'
        self.runs.setdefault(name, replace(run, name=name))
        return name

    def mosi(self, target: str, **kwargs) -> str:
        """Add a pretraining and return its name.

        Args:
            target: Data set of the fine-tunings to come.
            **kwargs: ``network``; ``source``, one of those of the preset;
                ``num``, how many images of it; ``motion``, arguments of
                set_motion; ``flip_rendered``, the released order.
        """
        raise NotImplementedError

    def finetune(self, target: str, init: Optional[str], **kwargs
                 ) -> list[str]:
        """Add the fine-tunings of a condition and return their names.

        Args:
            target: Data set.
            init: Name of the pretraining; None is from scratch.
            **kwargs: ``network``; ``options``; ``shots``, number of
                training videos of each class.
        """
        raise NotImplementedError

    def row(self, target: str, condition: str, init: Optional[str] = None,
            key: str = '', baseline: Optional[Row] = None, **kwargs) -> Row:
        """Return a row with its fine-tunings.

        Args:
            target: Data set.
            condition: In words.
            init: Name of the pretraining.
            key: Of the published figures.
            baseline: Row to compare with.
            **kwargs: Of :meth:`finetune`.
        """
        if len(self.targets) > 1:
            condition = f'{target.upper()}: {condition}'
        published = target if target in PUBLISHED else 'hmdb'
        return Row(condition, self.finetune(target, init, **kwargs), init,
                   baseline, PUBLISHED[published].get(key),
                   PUBLISHED_PRETEXT[published].get(key))

    def scratch(self, target: str, **kwargs) -> Row:
        """Return the row of training from scratch."""
        return self.row(target, 'from scratch', key='scratch', **kwargs)

    def pixels(self, clip_len: int, side: int) -> float:
        """Return the size of a clip in clips of the fine-tuning's size."""
        return clip_len * side**2 / (self.clip_len * self.side**2)

    def list_lowshot(self, ann_file: Path, shots: int) -> Path:
        """Return the list of so many training videos of each class."""
        stem = f'{ann_file.stem}_{shots}shot_{_digest(str(ann_file))}'
        path = self.root / 'lists' / f'{stem}.txt'
        self.todo[path] = lambda out: _subset(
            'lowshot', ann_file, shots, out, '--allow-fewer')
        return path


class Tiny(Preset):
    """Width 8, clips of 8 x 32² and 8 x 40²: minutes on one core.

    Args:
        images: Folder of photographs; None is dead leaves.
        videos: Folder of labelled videos, with ``splits``; None is the
            rendered videos of the demo.
        splits: Folder of train.txt, test.txt and loso.
        **kwargs: Of :class:`Preset`.
    """

    name, targets, network = 'tiny', ('tiny',), 'r2p1d'
    clip_len, side, speed, unit = 8, 40, 110., 'core'
    frames = {8: 4, 12: 6, 16: 8, 24: 12, 32: 16}
    shots = (1, 2, 3, 4)
    mask_ratios = (0.2, 0.4, 0.6, 0.8)
    random_mask = '0.4–0.7'
    #: Pretraining clips cost less than pixels say: nothing to decode.
    pretrain_factor = 0.6
    #: Relative to R(2+1)D-10.
    network_factor = {'r2p1d': 1., 'r2d3d': 0.7}

    def __init__(self, images: Optional[Path] = None,
                 videos: Optional[Path] = None,
                 splits: Optional[Path] = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.pretrain_epochs = self.pretrain_epochs or 14
        self.finetune_epochs = self.finetune_epochs or 40
        self.photos: list[str] = []
        self.source, self.num, self.num_val = 'leaves', 900, 100
        if images is not None:
            self.images = images.resolve()
            names = list(scan_tree(str(self.images)))
            self.photos = [n for n in names if not in_validation(n, 0.1)]
            self.source, self.num = 'photos', len(self.photos)
            self.num_val = len(names) - len(self.photos)
        self.tuning = 'tiny/finetune_r2p1d_weizmann'
        self.loso = None
        if videos is not None:
            self.videos, self.splits = videos.resolve(), splits.resolve()
            loso = self.splits / 'loso'
            self.loso = loso if loso.is_dir() else None
        else:
            self.tuning = 'tiny/finetune_r2p1d_actions'
            self.videos = self.splits = self.root / 'videos'
            # Written at once: their lists say how many there are.
            write_action_videos(self.videos, 6, 'train')
            write_action_videos(self.videos, 3, 'test')

    def describe(self) -> list[str]:
        """Return what the runs are made of, in sentences."""
        videos = self.videos.name if self.tuning.endswith('weizmann') \
            else 'the rendered videos of the demo'
        train, test = (len(_labels(self.splits / f'{s}.txt'))
                       for s in ('train', 'test'))
        source = 'photographs' if self.photos else 'dead leaves'
        return [
            f'Tiny preset: R(2+1)D-10 (stock) at width 8; pretraining on '
            f'{self.num} {source}, {self.pretrain_epochs} epochs, 8 × 32²; '
            f'fine-tuning on {videos}, {train} for training and {test} for '
            f'test, {self.finetune_epochs} epochs, 8 × 40², 10 clips at '
            'test. The paper’s figures are of HMDB51 at full size: compare '
            'differences, not levels.']

    def mosi(self, target: str, network: Optional[str] = None,
             source: Optional[str] = None, num: Optional[int] = None,
             motion: Optional[dict] = None,
             flip_rendered: bool = False) -> str:
        """Add a pretraining; with fewer images, of as many steps."""
        network, source = network or self.network, source or self.source
        motion, num = motion or {}, num or self.num
        epochs = round(self.pretrain_epochs * self.num / num)
        every = max(1, epochs // self.pretrain_epochs)
        options = {**_NETWORKS[network], 'train_cfg.val_interval': every,
                   'default_hooks.checkpoint.interval': every}
        config, variables = 'tiny/mosi_r2p1d_images', {}
        if source == 'leaves':
            config = 'tiny/mosi_r2p1d_deadleaves'
            options['train_dataloader.dataset.num_images'] = num
        elif source == 'frames':
            variables['MOSI_DATA'] = str(self._frames())
            for part in ('train', 'val'):
                key = f'{part}_dataloader.dataset'
                options[f'{key}.data_prefix'] = part
                options[f'{key}.split'] = None
        else:
            variables['MOSI_DATA'] = str(self.images)
            if num < self.num:
                key = 'train_dataloader.dataset'
                options[f'{key}.ann_file'] = str(self._photo_list(num))
                options[f'{key}.split'] = None
        if flip_rendered:
            options.update(_flip_rendered(config))
        clip_len = motion.get('clip_len', 8)
        labels = len(LabelPool(**{k: v for k, v in motion.items()
                                  if k in _POOL}))
        clips = num + self.num_val / 3 / every
        work = clips * labels * self.pixels(clip_len, 32) * \
            self.pretrain_factor * self.network_factor[network]
        return self.add(config, work, epochs=epochs, options=options,
                        motion=motion, variables=variables)

    def finetune(self, target: str, init: Optional[str],
                 network: Optional[str] = None,
                 options: Optional[dict] = None,
                 shots: Optional[int] = None,
                 epochs: Optional[int] = None,
                 folds: bool = False) -> list[str]:
        """Add fine-tunings of all seeds, or one of each fold."""
        network = network or self.network
        epochs = epochs or self.finetune_epochs
        if folds:
            names = sorted(p.name[:-len('_test.txt')]
                           for p in self.loso.glob('*_test.txt'))
            lists = [(seed, self.loso / f'{n}_train.txt',
                      self.loso / f'{n}_test.txt')
                     for seed, n in enumerate(names)]
        else:
            train, test = (self.splits / f'{s}.txt' for s in ('train',
                                                              'test'))
            lists = [(seed, train, test) for seed in self.seeds]
        every = max(1, epochs // 6)
        runs = []
        for seed, train, test in lists:
            labels = _labels(train)
            num = len(labels)
            if shots is not None:
                num = sum(min(shots, labels.count(c)) for c in set(labels))
                train = self.list_lowshot(train, shots)
            files = {'train': train, 'val': test, 'test': test}
            clips = num + 10 * len(_labels(test)) / 3 / every
            runs.append(self.add(
                self.tuning, clips * self.network_factor[network],
                epochs=epochs, seed=seed, init=init, options={
                    **_NETWORKS[network],
                    'model.cls_head.num_classes': max(labels) + 1,
                    'train_cfg.val_interval': every,
                    'default_hooks.checkpoint.interval': min(25, every),
                    **{f'{part}_dataloader.dataset.ann_file': str(path)
                       for part, path in files.items()},
                    **(options or {})
                }, variables={'MOSI_DATA': str(self.videos),
                              'MOSI_SPLITS': str(self.splits)}))
        return runs

    def image_rows(self) -> list[tuple[str, str, dict]]:
        """Return Table 4: (condition, key, arguments of mosi)."""
        kind = 'photographs' if self.photos else 'dead leaves'
        counts = [n for n in (50, 100, 200, 400) if n < self.num]
        rows = [(f'{self.num} frames of the target’s training videos',
                 'own frames', dict(source='frames'))]
        rows += [(f'{n} {kind}', '', dict(num=n)) for n in counts]
        return [*rows, (f'{self.num} {kind}', '', {})]

    def source_rows(self) -> list[tuple[str, dict]]:
        """Return kinds of images: (condition, arguments of mosi)."""
        rows = [(f'{self.num} dead leaves', dict(source='leaves')),
                (f'{self.num} frames of the target’s training videos',
                 dict(source='frames'))]
        if self.photos:
            rows.insert(0, (f'{self.num} photographs', {}))
        return rows

    def _photo_list(self, num: int) -> Path:
        order = np.random.default_rng(0).permutation(len(self.photos))
        text = ''.join(f'{self.photos[i]}\n' for i in sorted(order[:num]))
        path = self.root / 'lists' / f'photos_{num}_{_digest(text)}.txt'
        self.todo[path] = lambda out: _write(out, text)
        return path

    def _frames(self) -> Path:
        """Return the folder of frames, as many as there are images."""
        names = {
            split: [line.rsplit(None, 1)[0] for line in (
                self.splits / f'{split}.txt').read_text().splitlines()
                if line.strip()] for split in ('train', 'test')}
        digest = _digest(json.dumps([str(self.videos), names]))
        root = self.root / f'frames_{self.num}_{digest}'

        def make(_):
            for part, split, num in (('train', 'train', self.num),
                                     ('val', 'test', self.num_val)):
                _write_frames(self.videos, names[split], num, root / part)

        self.todo[root] = make
        return root


class Paper(Preset):
    """The paper's networks and budgets on HMDB51 and UCF101.

    Batch sizes are for 8 GPUs; with others the learning rate is scaled.

    Args:
        data: Folder of hmdb51, ucf101, imagenet/train and kinetics400, each
            as the configs have it.
        **kwargs: Of :class:`Preset`.
    """

    name, targets, network = 'paper', ('hmdb', 'ucf'), 'r2d3d'
    # A guess that nobody has measured.
    clip_len, side, speed, unit = 16, 112, 300., 'GPU'
    frames = {n: n for n in (8, 12, 16, 24, 32)}
    shots = (3, 5, 7, 9, 11, 13)
    mask_ratios = tuple(i / 10 for i in range(1, 10))
    random_mask = '0.3–0.5'
    loso = None
    folders = {'hmdb': 'hmdb51', 'ucf': 'ucf101'}
    #: Sources of a split, as published; for estimates.
    sizes = {'hmdb': (3570, 1530), 'ucf': (9537, 3783),
             'k400': (240436, 19796)}
    networks = {'r2d3d': 'r2d3d', 'r2p1d': 'r2p1d-paper'}

    def __init__(self, data: Path, **kwargs) -> None:
        super().__init__(**kwargs)
        self.data = data.resolve()

    def describe(self) -> list[str]:
        """Return what the runs are made of, in sentences."""
        return ['Paper preset: the paper’s networks and schedules on HMDB51 '
                'and UCF101, split 1, 10 clips at test.']

    def mosi(self, target: str, network: Optional[str] = None,
             source: Optional[str] = None, num: Optional[int] = None,
             motion: Optional[dict] = None,
             flip_rendered: bool = False) -> str:
        """Add a pretraining; ``num`` counts images of a class."""
        network = self.networks[network or self.network]
        source, motion = source or target, motion or {}
        options = {'auto_scale_lr.enable': True}
        size, val = self.sizes.get(source, self.sizes[target])
        data = source if source in ('k400', *self.targets) else 'imagenet'
        config = f'mosi_{network}_{data}'
        folder = {'k400': 'kinetics400', 'imagenet': 'imagenet/train',
                  **self.folders}[data]
        key = 'train_dataloader.dataset'
        if source == 'imagenet':
            # As many as there are videos, or so many of each class.
            per_class = num or -(-size // 1000)
            size = 1000 * per_class if num else size
            options[f'{key}.ann_file'] = str(
                self._image_list(per_class, None if num else size))
            options[f'{key}.split'] = 'train'
        elif source == 'leaves':
            cfg = Config.fromfile(CONFIGS / f'{config}.py')
            for part, seed in (('train', 0), ('val', 1)):
                steps = cfg[f'{part}_dataloader'].dataset.pipeline
                options[f'{part}_dataloader.dataset'] = dict(
                    _delete_=True, type='DeadLeavesDataset', seed=seed,
                    num_images=size if part == 'train' else val, size=320,
                    test_mode=part == 'val', pipeline=[
                        s for s in steps if s['type'] != 'LoadSourceFrame'])
        if flip_rendered:
            options.update(_flip_rendered(config))
        labels = len(LabelPool(**{k: v for k, v in motion.items()
                                  if k in _POOL}))
        work = size * labels * self.pixels(motion.get('clip_len', 16), 112)
        return self.add(config, work, epochs=self.pretrain_epochs,
                        options=options, motion=motion,
                        variables={'MOSI_DATA': str(self.data / folder)})

    def finetune(self, target: str, init: Optional[str],
                 network: Optional[str] = None,
                 options: Optional[dict] = None,
                 shots: Optional[int] = None) -> list[str]:
        """Add fine-tunings of all seeds."""
        network = self.networks[network or self.network]
        folder = self.folders[target]
        options = {'auto_scale_lr.enable': True, **(options or {})}
        size = self.sizes[target][0]
        if shots is not None:
            ann_file = f'{folder}_train_split_1_videos.txt'
            options['train_dataloader.dataset.ann_file'] = str(
                self.list_lowshot(self.data / folder / ann_file, shots))
            size = shots * {'hmdb': 51, 'ucf': 101}[target]
            # 3 a class are fewer than one batch.
            options['train_dataloader.drop_last'] = False
        return [
            self.add(f'finetune_{network}_{target}', size, seed=seed,
                     epochs=self.finetune_epochs, init=init, options=options,
                     test=True,
                     variables={'MOSI_DATA': str(self.data / folder)})
            for seed in self.seeds]

    def image_rows(self) -> list[tuple[str, str, dict]]:
        """Return Table 4: (condition, key, arguments of mosi)."""
        return [('own frames', 'own frames', {})] + [
            (f'ImageNet-S{n}', f'S{n}', dict(source='imagenet', num=n))
            for n in (5, 10, 20, 30)]

    def source_rows(self) -> list[tuple[str, dict]]:
        """Return kinds of images: (condition, arguments of mosi)."""
        return [('own frames', {}),
                ('about as many photographs', dict(source='imagenet')),
                ('as many dead leaves', dict(source='leaves'))]

    def _image_list(self, per_class: int, most: Optional[int]) -> Path:
        stem = f'imagenet_s{per_class}' + (f'_{most}' if most else '')
        path = self.root / 'lists' / f'{stem}.txt'

        def make(out):
            _subset('images', self.data / 'imagenet/train', per_class, out,
                    '--allow-fewer')
            if most:
                lines = out.read_text().splitlines()
                order = np.random.default_rng(0).permutation(len(lines))
                chosen = sorted(order[:most])
                _write(out, '\n'.join(lines[i] for i in chosen) + '\n')

        self.todo[path] = make
        return path


# The narrow R-2D3D-18. As in the tiny R(2+1)D, the max pool keeps its size,
# or 32 pixels would end as a single one.
_NETWORKS = {
    'r2p1d': {},
    'r2d3d': {
        'model.backbone': dict(_delete_=True, type='ResNet2d3d', depth=18,
                               base_channels=8, pool1_stride_s=1),
        'model.cls_head.in_channels': 32,
    },
}
NETWORK_TITLES = {'r2d3d': 'R-2D3D-18', 'r2p1d': 'R(2+1)D-10'}


def table1(p: Preset) -> Experiment:
    """Scratch, one axis, two axes."""
    table = Experiment('Table 1: MoSI against training from scratch')
    for target in p.targets:
        base = p.scratch(target)
        table.rows.append(base)
        for axes, words in (('xy', 'both axes'), ('x', 'x only'),
                            ('y', 'y only')):
            init = p.mosi(target, motion={} if axes == 'xy' else
                          dict(axes=axes))
            table.rows.append(p.row(target, f'MoSI, {words}', init,
                                    f'axes {axes}', base))
    return table


def table1_loso(p: Preset, budgets: Iterable[tuple[str, int]]
                ) -> Experiment:
    """Scratch against MoSI, one actor left out at a time."""
    table = Experiment('Table 1, leave one actor out', notes=[
        'One seed a fold; the folds are the replicates.'])
    if p.loso is None:
        raise ValueError('--loso: there are no lists loso/NAME_train.txt '
                         'and loso/NAME_test.txt in --splits')
    init = p.mosi(p.targets[0])
    for name, epochs in budgets:
        how = dict(epochs=epochs, folds=True)
        words = f'{name} budget ({epochs} epochs)'
        base = p.row(p.targets[0], f'from scratch, {words}', key='scratch',
                     **how)
        table.rows += [base, p.row(p.targets[0], f'MoSI, {words}', init,
                                   'axes xy', base, **how)]
    return table


def table2(p: Preset) -> Experiment:
    """Number of speeds, number of frames."""
    table = Experiment('Table 2: number of speeds and of frames')
    for target in p.targets:
        base = p.row(target, '5 speeds on each axis (default)',
                     p.mosi(target), 'speeds 5')
        for n in (3, 5, 7, 9):
            table.rows.append(base if n == 5 else p.row(
                target, f'{n} speeds', p.mosi(
                    target, motion=dict(num_speeds=n)), f'speeds {n}', base))
        for paper, n in p.frames.items():
            words = f'{n} frames'
            words += f' (for the paper’s {paper})' if n != paper else ''
            if paper == 16:
                row = replace(base, condition=base.condition.replace(
                    '5 speeds on each axis', words), baseline=None,
                    paper=PUBLISHED[_published(target)]['frames 16'])
            else:
                row = p.row(target, words, p.mosi(
                    target, motion=dict(clip_len=n)), f'frames {paper}',
                    base)
            table.rows.append(row)
    table.notes.append('Fine-tuning has the default number of frames in '
                       'every row; as in the paper, only the source image '
                       'grows with the frames of pretraining.')
    return table


def table3(p: Preset) -> Experiment:
    """Few training videos of each class."""
    table = Experiment('Table 3: few labelled videos')
    target = p.targets[0]
    init = p.mosi(target)
    for shots in (*p.shots, None):
        words = f'{shots} video{"s"[shots < 2:]} a class' if shots \
            else 'all videos'
        # Counts mean the same at full size only.
        key = f'shots {shots or "all"}'
        pair = PUBLISHED['hmdb'].get(key) if (
            shots is None or p.name == 'paper') else None
        base = p.row(target, f'from scratch, {words}', shots=shots)
        row = p.row(target, f'MoSI, {words}', init, baseline=base,
                    shots=shots)
        if pair:
            base.paper, row.paper = pair
        table.rows += [base, row]
    table.notes.append('As many epochs, so fewer steps with fewer videos. '
                       'The same videos for every seed.')
    if p.name != 'paper':
        table.notes.append(
            'The paper, HMDB51: 3, 5, 7, 9, 11, 13 videos a class (4–19 %) '
            'give 4.5, 6.7, 8.1, 10.4, 11.7, 14.8 from scratch and 8.1, '
            '12.5, 17.4, 22.2, 24.1, 25.4 with MoSI.')
    return table


def table4(p: Preset) -> Experiment:
    """Number of source images."""
    table = Experiment('Table 4: pretraining on images')
    for target in p.targets:
        base = None
        for words, key, how in p.image_rows():
            row = p.row(target, words, p.mosi(target, **how), key, base)
            base = base or row
            table.rows.append(row)
    if p.name != 'paper':
        table.notes.append(
            'As many steps of pretraining in every row, so more epochs with '
            'fewer images: as many epochs would measure the budget.')
    return table


def table5(p: Preset) -> Experiment:
    """Both networks."""
    table = Experiment('Table 5: two networks')
    for target in p.targets:
        for network, words in NETWORK_TITLES.items():
            base = p.row(target, f'{words}, from scratch', network=network,
                         key='scratch' if network == 'r2d3d' else '')
            table.rows += [base, p.row(
                target, f'{words}, MoSI', p.mosi(target, network=network),
                network, base, network=network)]
            if p.name == 'paper' and network == 'r2d3d':
                init = p.mosi(target, network=network, source='k400')
                table.rows.append(p.row(
                    target, f'{words}, MoSI on Kinetics-400', init,
                    'r2d3d k400', base, network=network))
    return table


def fig6(p: Preset) -> Experiment:
    """Frozen stages."""
    table = Experiment('Figure 6: frozen stages')
    for target in p.targets:
        base = p.scratch(target)
        init = p.mosi(target)
        table.rows += [base, p.row(target, 'MoSI, nothing frozen', init,
                                   'axes xy', base)]
        for stage in range(5):
            words = f'stem and {stage} of 4 stages' if stage else 'stem'
            table.rows.append(p.row(
                target, f'MoSI, frozen: {words}', init, baseline=base,
                options={'model.backbone.frozen_stages': stage}))
    table.notes.append('The paper draws this figure without numbers; its '
                       'text says that on HMDB51 tuning the last stage '
                       'alone still gains about 5 points over scratch.')
    return table


def fig7(p: Preset) -> Experiment:
    """Size of the moving box."""
    table = Experiment('Figure 7: side of the moving box')
    for target in p.targets:
        base = p.row(target, '1.0 (no mask)', p.mosi(
            target, motion=dict(static_mask=None)))
        table.rows.append(base)
        for ratio in p.mask_ratios:
            init = p.mosi(target, motion=dict(static_mask=(ratio, ratio)))
            table.rows.append(p.row(target, f'{ratio}', init, '', base))
        table.rows.append(p.row(target, f'random, {p.random_mask} (default)',
                                p.mosi(target), 'axes xy', base))
    table.notes.append('The paper draws this figure without numbers.')
    return table


def flip(p: Preset) -> Experiment:
    """The order of the authors' released code."""
    table = Experiment('Flip before or after the motion')
    target = p.targets[0]
    base = p.row(target, 'flip of the source image (ours)', p.mosi(target))
    table.rows += [base, p.row(
        target, 'flip after the motion, label kept (released code)',
        p.mosi(target, flip_rendered=True), baseline=base)]
    table.notes.append(
        'Flipped after the motion, half of the clips with a horizontal '
        'label have the wrong one: expected pretext top-1 is at most 77.8 % '
        '(5/9 + 4/9 / 2). Both are validated on the same, true labels.')
    return table


def sources(p: Preset) -> Experiment:
    """Kinds of images, equally many."""
    table = Experiment('Kinds of source images, equally many')
    target = p.targets[0]
    base = p.scratch(target)
    table.rows.append(base)
    for words, how in p.source_rows():
        table.rows.append(p.row(target, f'MoSI, {words}', p.mosi(
            target, **how), baseline=base))
    table.notes.append('Pretext accuracy is on held-out images of the same '
                       'kind.')
    return table


EXPERIMENTS = dict(table1=table1, table2=table2, table3=table3,
                   table4=table4, table5=table5, fig6=fig6, fig7=fig7,
                   flip=flip, sources=sources)


def _published(target: str) -> str:
    return target if target in PUBLISHED else 'hmdb'


def _flip_rendered(config: str) -> dict:
    """Return the options that move the flip behind the rendering."""
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    steps = []
    for step in cfg.train_dataloader.dataset.pipeline:
        step = dict(step)
        if step['type'] == 'CropSource':
            step['flip_ratio'] = 0.
        steps.append(step)
        if step['type'] == 'RenderPseudoMotion':
            steps.append(dict(type='FlipRendered'))
    imports = [*cfg.custom_imports.imports, 'experimental']
    return {'train_dataloader.dataset.pipeline': steps,
            'custom_imports.imports': imports}


def _labels(ann_file: Path) -> list[int]:
    """Return the labels of a list file of videos.

    Raises:
        FileNotFoundError: If there is none.
    """
    if not ann_file.is_file():
        raise FileNotFoundError(
            f'there is no list of videos {ann_file}: --splits must be a '
            'folder with train.txt and test.txt')
    return [int(line.split()[-1])
            for line in ann_file.read_text().splitlines() if line.strip()]


def _subset(kind: str, source: Path, num: int, out: Path, *more: str
            ) -> None:
    subprocess.run([sys.executable, str(TOOLS / 'data/subset.py'), kind,
                    str(source), '-n', str(num), '--out', str(out), *more],
                   check=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')
                          ).hexdigest()[:8]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8', errors='surrogateescape')


def _write_frames(root: Path, names: list[str], num: int, out: Path
                  ) -> None:
    """Write ``num`` frames, evenly spread over videos and over each."""
    part = out.with_name(f'{out.name}.part')
    if out.exists():
        return
    part.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        count = len(range(number, num, len(names)))
        for k in range(count):
            img = read_frame(str(root / name), lambda length, k=k, c=count:
                             int((k + 0.5) / c * length))
            path = part / f'{number:03d}_{k:03d}.png'
            cv2.imwrite(str(path), img[..., ::-1])
    part.rename(out)
