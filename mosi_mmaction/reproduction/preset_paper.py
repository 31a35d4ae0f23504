"""The paper's own scale: GPUs, HMDB51 and UCF101."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ..files import write_text
from ..method.motion import LabelPool
from .presets import (
    CONFIGS,
    POOL_KEYS,
    Preset,
    flip_rendered_options,
    rate_options,
    write_subset,
)


class Paper(Preset):
    """The paper's networks and budgets on HMDB51 and UCF101.

    Batch sizes are for 8 GPUs; with other numbers the learning rate is
    scaled.

    Args:
        data: Directory of hmdb51, ucf101, imagenet/train and kinetics400,
            each laid out as the configs expect.
        **kwargs: Arguments of :class:`Preset`.
    """

    name, targets, network = 'paper', ('hmdb', 'ucf'), 'r2d3d'
    # A guess; this has not been measured.
    clip_len, side, speed, unit = 16, 112, 300.0, 'GPU'
    frames = {n: n for n in (8, 12, 16, 24, 32)}
    shots = (3, 5, 7, 9, 11, 13)
    mask_ratios = tuple(i / 10 for i in range(1, 10))
    random_masks: dict[str, dict[str, Any]] = {'0.3–0.5 (default)': {}}
    folders = {'hmdb': 'hmdb51', 'ucf': 'ucf101'}
    #: Published number of sources of a split, for estimates.
    sizes = {
        'hmdb': (3570, 1530),
        'ucf': (9537, 3783),
        'k400': (240436, 19796),
    }
    networks = {'r2d3d': 'r2d3d', 'r2p1d': 'r2p1d-paper'}

    def __init__(self, data: Path, **kwargs) -> None:
        super().__init__(**kwargs)
        self.data = data.resolve()

    def describe(self, folds: bool = False) -> list[str]:
        """Return sentences that describe the runs."""
        sentences = [
            'Paper preset: the paper’s networks and schedules on '
            'HMDB51 and UCF101, split 1, 10 clips at test.'
        ]
        if self.network != Paper.network:
            sentences.append(
                f'The network is {self.network}, but the paper’s figures '
                f'are those of {Paper.network}.'
            )
        return sentences

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
        """Add a pretraining run; ``num`` counts images per class."""
        network = self.networks[network or self.network]
        source, motion = source or target, motion or {}
        options: dict[str, Any] = {'auto_scale_lr.enable': True}
        size, val = self.sizes.get(source, self.sizes[target])
        data = source if source in ('k400', *self.targets) else 'imagenet'
        config = f'mosi_{network}_{data}'
        folder = {
            'k400': 'kinetics400',
            'imagenet': 'imagenet/train',
            **self.folders,
        }[data]
        key = 'train_dataloader.dataset'
        if source == 'imagenet':
            # As many as there are videos, or so many of each class.
            per_class = num or -(-size // 1000)
            size = 1000 * per_class if num else size
            options[f'{key}.ann_file'] = str(
                self._image_list(per_class, None if num else size)
            )
            options[f'{key}.split'] = 'train'
        elif source == 'leaves':
            cfg = Config.fromfile(CONFIGS / f'{config}.py')
            for part, drawn in (('train', 0), ('val', 1)):
                steps = cfg[f'{part}_dataloader'].dataset.pipeline
                options[f'{part}_dataloader.dataset'] = dict(
                    _delete_=True,
                    type='DeadLeavesDataset',
                    seed=drawn,
                    num_images=size if part == 'train' else val,
                    size=320,
                    test_mode=part == 'val',
                    pipeline=[
                        s for s in steps if s['type'] != 'LoadSourceFrame'
                    ],
                )
        if flip_rendered:
            options.update(flip_rendered_options(config))
        labels = len(
            LabelPool(**{k: v for k, v in motion.items() if k in POOL_KEYS})
        )
        work = size * labels * self.pixels(motion.get('clip_len', 16), 112)
        return self.add(
            config,
            work,
            epochs=self.pretrain_epochs,
            seed=seed,
            options=options,
            motion=motion,
            variables={'MOSI_DATA': str(self.data / folder)},
        )

    def tuning_of(self, target: str) -> str:
        """Return the config of a target with the preset's network."""
        return f'finetune_{self.networks[self.network]}_{target}'

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
        """Add fine-tuning runs for all seeds."""
        network = self.networks[network or self.network]
        config, folder = f'finetune_{network}_{target}', self.folders[target]
        options = {
            'auto_scale_lr.enable': True,
            **rate_options(config, rate, head_rate),
            **(options or {}),
        }
        inits = init if isinstance(init, list) else [init] * len(self.seeds)
        size = self.sizes[target][0]
        if shots is not None:
            ann_file = f'{folder}_train_split_1_videos.txt'
            options['train_dataloader.dataset.ann_file'] = str(
                self.list_lowshot(self.data / folder / ann_file, shots)
            )
            size = shots * {'hmdb': 51, 'ucf': 101}[target]
        return [
            self.add(
                config,
                size,
                seed=seed,
                epochs=self.finetune_epochs,
                init=init,
                options=options,
                test=True,
                variables={'MOSI_DATA': str(self.data / folder)},
            )
            for seed, init in zip(self.seeds, inits)
        ]

    def image_rows(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return Table 4: (condition, key, arguments of mosi)."""
        return [('own frames', 'own frames', {})] + [
            (f'ImageNet-S{n}', f'S{n}', dict(source='imagenet', num=n))
            for n in (5, 10, 20, 30)
        ]

    def source_rows(self) -> list[tuple[str, dict[str, Any]]]:
        """Return kinds of images: (condition, arguments of mosi)."""
        return [
            ('own frames', {}),
            ('about as many photographs', dict(source='imagenet')),
            ('as many dead leaves', dict(source='leaves')),
        ]

    def _image_list(self, per_class: int, most: int | None) -> Path:
        stem = f'imagenet_s{per_class}' + (f'_{most}' if most else '')
        path = self.root / 'lists' / f'{stem}.txt'

        def make(out):
            drawn = out.with_name(f'{out.name}.drawn')
            write_subset(
                'images',
                self.data / 'imagenet/train',
                per_class,
                drawn,
                '--allow-fewer',
            )
            lines = drawn.read_text().splitlines()
            order = np.random.default_rng(0).permutation(len(lines))
            chosen = sorted(order[:most])
            write_text(out, '\n'.join(lines[i] for i in chosen) + '\n')

        self.todo[path] = make
        return path
