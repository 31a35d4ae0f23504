"""Minutes on a CPU: small networks, photographs and few videos."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_text
from ..media.paths import in_validation, scan_tree
from ..method.motion import LabelPool
from ..synthetic.write import list_action_videos, write_action_videos
from .presets import (
    CONFIGS,
    POOL_KEYS,
    Preset,
    digest_of,
    flip_rendered_options,
    rate_options,
)
from .target_frames import write_frames
from .tiny_networks import NETWORKS

#: Number of videos rendered per class if no videos are given.
RENDERED = {'train': 6, 'test': 3}


class Tiny(Preset):
    """Width 8, clips of 8 x 32² and 8 x 40²: minutes on one core.

    Args:
        images: Directory of photographs; None is dead leaves.
        videos: Directory of labelled videos, with ``splits``; None is the
            rendered videos of the demo.
        splits: Directory of train.txt, test.txt and loso.
        **kwargs: Arguments of :class:`Preset`.

    Raises:
        ValueError: If only one of ``videos`` and ``splits`` is given, or the
            rendered videos have no config of the network's size.

    Attributes:
        photos: Names of the photographs to train on; empty for dead leaves.
        tuning: Name of the config that fine-tunes.
        split: Lists of the training and the test videos.
        folds: The same for each fold; empty without loso.
    """

    name, targets, network = 'tiny', ('tiny',), 'r2p1d'
    networks = NETWORKS
    clip_len, side, speed, unit = 8, 40, 110.0, 'core'
    frames = {8: 4, 12: 6, 16: 8, 24: 12, 32: 16}
    shots = (1, 2, 3, 4)
    #: Number of training videos of each class; None is all of a list.
    few: int | None = None
    mask_ratios = (0.2, 0.4, 0.6, 0.8)
    #: Arguments of set_motion, by name; the paper's own come first.
    random_masks: dict[str, dict[str, Any]] = {
        '0.3–0.5 (the paper’s)': dict(static_mask=(0.3, 0.5)),
        '0.4–0.7 (default)': {},
    }
    #: Best factor of the learning rate for training from scratch, according
    #: to the table of rates: four is not better by more than the spread of
    #: seeds. For MoSI it is 1.
    scratch_rate = 2
    #: Pretraining clips cost less than their pixels suggest: no decoding.
    pretrain_factor = 0.6
    #: This preset has its own; it never leaves them to the configs.
    pretrain_epochs: int
    finetune_epochs: int

    def __init__(
        self,
        images: Path | None = None,
        videos: Path | None = None,
        splits: Path | None = None,
        **kwargs,
    ) -> None:
        if (videos is None) != (splits is None):
            raise ValueError(
                f'videos={videos}, splits={splits}: give both, or neither for '
                'the rendered videos of the demo'
            )
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
        self.tuning = self._config('finetune_r2p1d_weizmann', self.network)
        if videos is not None and splits is not None:
            self.videos, self.splits = videos.resolve(), splits.resolve()
        else:
            self.tuning = self._config('finetune_r2p1d_actions', self.network)
            self.variant += '_rendered'
            self.videos = self.splits = self.root / 'videos'
            self.todo[self.videos] = _write_rendered
            if not (CONFIGS / f'{self.tuning}.py').is_file():
                raise ValueError(
                    f'--network {self.network}: the rendered videos have no '
                    'config of its size; give --videos and --splits'
                )
        #: The videos in words.
        self.title = (
            self.videos.name
            if self.tuning.endswith('weizmann')
            else 'the rendered videos of the demo'
        )
        self.split = (self.splits / 'train.txt', self.splits / 'test.txt')
        #: Lines of the lists that exist only once the videos do.
        self._planned = {
            self.splits / f'{split}.txt': list_action_videos(num, split)
            for split, num in RENDERED.items()
            if videos is None
        }
        self.folds = [
            (path.with_name(f'{path.name[:-8]}train.txt'), path)
            for path in sorted(self.splits.glob('loso/*_test.txt'))
        ]

    def describe(self, folds: bool = False) -> list[str]:
        """Return sentences that describe the runs."""
        splits = self.folds if folds else [self.split]
        sizes = {_count(self._labels(train), self.few) for train, _ in splits}
        train = ' or '.join(map(str, sorted(sizes)))
        sizes = {len(self._labels(test)) for _, test in splits}
        test = ' or '.join(map(str, sorted(sizes)))
        words = f'{train} for training and {test} for test'
        words += (
            f' in each of {len(splits)} folds'
            if folds
            else f', {self.finetune_epochs} epochs'
        )
        source = 'photographs' if self.photos else 'dead leaves'
        network = self.networks[self.network]
        return [
            f'Tiny preset: {network.title}; '
            f'pretraining, unless stated otherwise, on {self.num} '
            f'{source}, {self.pretrain_epochs} epochs, {network.clips[0]}; '
            f'fine-tuning on {self.title}, {words}, {network.clips[1]}, '
            '10 clips at test. The paper’s figures are for HMDB51 at full '
            'size: compare differences, not levels.'
        ]

    def mosi(
        self,
        target: str,
        *,
        network: str | None = None,
        source: str | None = None,
        num: int | None = None,
        motion: dict[str, Any] | None = None,
        flip_rendered: bool = False,
        fold: int | None = None,
        times: float = 1,
        seed: int = 0,
        options: dict[str, Any] | None = None,
    ) -> str:
        """Add a pretraining run; with fewer images, the same number of steps.

        Frames come from the training videos, with ``fold`` from those of that
        fold. The run is ``times`` as long as the preset's and has its own
        ``seed`` and ``options``.
        """
        network, source = network or self.network, source or self.source
        motion, num = motion or {}, num or self.num
        epochs = round(self.pretrain_epochs * times * self.num / num)
        every = max(1, epochs // self.pretrain_epochs)
        options = {
            **self.networks[network].options,
            'train_cfg.val_interval': every,
            'default_hooks.checkpoint.interval': every,
            **(options or {}),
        }
        config, variables = self._config('mosi_r2p1d_images', network), {}
        if source == 'leaves':
            config = self._config('mosi_r2p1d_deadleaves', network)
            options['train_dataloader.dataset.num_images'] = num
        elif source == 'frames':
            variables['MOSI_DATA'] = str(self._frames(fold))
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
            options.update(flip_rendered_options(config))
        clip_len = motion.get('clip_len', 8)
        labels = len(
            LabelPool(**{k: v for k, v in motion.items() if k in POOL_KEYS})
        )
        clips = num + self.num_val / 3 / every
        work = (
            clips
            * labels
            * self.pixels(clip_len, 32)
            * self.pretrain_factor
            * self.networks[network].factor
        )
        return self.add(
            config,
            work,
            epochs=epochs,
            seed=seed,
            options=options,
            motion=motion,
            variables=variables,
        )

    def tuning_of(self, target: str) -> str:
        """Return the config of the only target."""
        return self.tuning

    def finetune(
        self,
        target: str,
        init: str | list[str] | None,
        *,
        network: str | None = None,
        options: dict[str, Any] | None = None,
        shots: int | None = None,
        epochs: int | None = None,
        folds: bool = False,
        rate: float = 1,
        head_rate: float | None = None,
    ) -> list[str]:
        """Add fine-tuning runs for all seeds, or one per fold."""
        network = network or self.network
        tuning = self._config(self.tuning, network)
        epochs = epochs or self.finetune_epochs
        splits = self.folds if folds else [self.split] * len(self.seeds)
        inits = init if isinstance(init, list) else [init] * len(splits)
        every = max(1, epochs // 6)
        options = {
            **rate_options(tuning, rate, head_rate),
            **(options or {}),
        }
        runs = []
        for seed, ((train, test), init) in enumerate(zip(splits, inits)):
            labels = self._labels(train)
            num = _count(labels, shots)
            if shots is not None:
                train = self.list_lowshot(train, shots)
            files = {'train': train, 'val': test, 'test': test}
            clips = num + 10 * len(self._labels(test)) / 3 / every
            runs.append(
                self.add(
                    tuning,
                    clips * self.networks[network].factor,
                    epochs=epochs,
                    seed=seed,
                    init=init,
                    options={
                        **self.networks[network].options,
                        'model.cls_head.num_classes': max(labels) + 1,
                        'train_cfg.val_interval': every,
                        'default_hooks.checkpoint.interval': min(25, every),
                        'default_hooks.checkpoint.max_keep_ckpts': 1,
                        **{
                            f'{part}_dataloader.dataset.ann_file': str(path)
                            for part, path in files.items()
                        },
                        **options,
                    },
                    variables={
                        'MOSI_DATA': str(self.videos),
                        'MOSI_SPLITS': str(self.splits),
                    },
                )
            )
        return runs

    def _config(self, name: str, network: str) -> str:
        """Return the name of a network's config from that of any other."""
        kind, _, data = name.rpartition('/')[2].split('_')
        return self.networks[network].configs.format(kind=kind, data=data)

    def image_rows(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return Table 4: (condition, key, arguments of mosi)."""
        kind = 'photographs' if self.photos else 'dead leaves'
        counts = [n for n in (50, 100, 200, 400) if n < self.num]
        rows: list[tuple[str, str, dict[str, Any]]] = [
            (
                f'{self.num} frames of the target’s training videos',
                'own frames',
                dict(source='frames'),
            )
        ]
        rows += [(f'{n} {kind}', '', dict(num=n)) for n in counts]
        return [*rows, (f'{self.num} {kind}', '', {})]

    def source_rows(self) -> list[tuple[str, dict[str, Any]]]:
        """Return kinds of images: (condition, arguments of mosi)."""
        rows: list[tuple[str, dict[str, Any]]] = [
            (f'{self.num} dead leaves', dict(source='leaves')),
            (
                f'{self.num} frames of the target’s training videos',
                dict(source='frames'),
            ),
        ]
        if self.photos:
            rows.insert(0, (f'{self.num} photographs', {}))
        return rows

    def _labels(self, ann_file: Path) -> list[int]:
        return [int(line.split()[-1]) for line in self._lines(ann_file)]

    def _lines(self, ann_file: Path) -> list[str]:
        """Return the lines of a list of videos.

        Raises:
            FileNotFoundError: If there is none.
        """
        if ann_file in self._planned:
            return self._planned[ann_file]
        if not ann_file.is_file():
            raise FileNotFoundError(
                f'there is no list of videos {ann_file}: --splits must be a '
                'directory with train.txt and test.txt'
            )
        lines = ann_file.read_text().splitlines()
        return [line for line in lines if line.strip()]

    def _photo_list(self, num: int) -> Path:
        order = np.random.default_rng(0).permutation(len(self.photos))
        text = ''.join(f'{self.photos[i]}\n' for i in sorted(order[:num]))
        path = self.root / 'lists' / f'photos_{num}_{digest_of(text)}.txt'
        self.todo[path] = lambda out: write_text(out, text)
        return path

    def _frames(self, fold: int | None) -> Path:
        """Return the directory of frames, as many as there are images."""
        lists = self.split if fold is None else self.folds[fold]
        names = {
            split: [line.rsplit(None, 1)[0] for line in self._lines(path)]
            for split, path in zip(('train', 'test'), lists)
        }
        digest = digest_of(json.dumps([str(self.videos), names]))
        root = self.root / f'frames_{self.num}_{digest}'

        def make(_):
            for part, split, num in (
                ('train', 'train', self.num),
                ('val', 'test', self.num_val),
            ):
                write_frames(self.videos, names[split], num, root / part)

        self.todo[root] = make
        return root


def _count(labels: list[int], shots: int | None) -> int:
    """Return the number of videos, at most so many of each class."""
    counts = Counter(labels).values()
    return sum(n if shots is None else min(shots, n) for n in counts)


def _write_rendered(root: Path) -> None:
    for split, num in RENDERED.items():
        write_action_videos(root, num, split)
