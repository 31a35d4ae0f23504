"""Motion capture as the target: real motion, drawn bodies, seven folds.

The videos are those of tools/data/mocap_videos.py. A fold trains on one style
and is tested on the others, 300 videos in all; the folds are the replicates,
so every difference is paired by fold. Pretraining is that of the tiny preset.
"""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from .experiment import PRETRAINING, Experiment
from .own_tables import LAYERS
from .preset_tiny import Tiny
from .presets import CONFIGS, Preset, Row

#: Cameras, which are directories of tools/data/mocap_videos.py.
CAMERAS = ('still', 'panning')


class Mocap(Tiny):
    """The tiny preset, fine-tuned on motion capture.

    The short budget has ``few`` labelled videos of each class, the long one
    all videos of the fold's style. Fine-tuning does not mirror clips, because
    classes differ in left and right.

    Args:
        videos: Directory that mocap_videos.py wrote.
        camera: Camera of the videos, one of :data:`CAMERAS`.
        few: Number of training videos of each class; None for all.
        images: Directory of photographs for pretraining; None is dead leaves.
        **kwargs: Arguments of :class:`~.presets.Preset`; ``seeds`` is not
            used.

    Raises:
        FileNotFoundError: If there are no folds in ``videos``.
        ValueError: If there is no such camera.
    """

    name = 'mocap'

    def __init__(
        self,
        videos: Path,
        camera: str = 'still',
        few: int | None = 15,
        images: Path | None = None,
        **kwargs: Any,
    ) -> None:
        if camera not in CAMERAS:
            raise ValueError(
                f'--camera {camera}: there are {", ".join(CAMERAS)}'
            )
        tests = sorted((videos / 'lists/folds').glob('*_test.txt'))
        if not tests or not (videos / camera).is_dir():
            raise FileNotFoundError(
                f'{videos} has no lists/folds and {camera}: --videos must be '
                'the --out of tools/data/mocap_videos.py'
            )
        super().__init__(images, videos, videos / 'lists', **kwargs)
        self.few = few
        self.videos, self.title = self.videos / camera, 'motion capture'
        self.folds = [
            (path.with_name(f'{path.name[:-8]}train.txt'), path)
            for path in tests
        ]
        # Frames of the target are taken from the first fold.
        self.split = self.folds[0]
        self.seeds = range(len(self.folds))
        self.variant += f'_mocap_{camera}'

    def describe(self, folds: bool = False) -> list[str]:
        """Return sentences that describe the runs."""
        shots = f'{self.few} of each class' if self.few else 'all videos'
        return [
            *super().describe(folds=True)[:1],
            'Motion capture (real motion, drawn bodies), '
            f'{self.videos.name} camera: trained on one style, {shots}, '
            f'{self.finetune_epochs} epochs, tested on the other styles; the '
            f'{len(self.folds)} folds are the replicates, and share test '
            'videos. No flip in fine-tuning unless stated otherwise.',
        ]

    def finetune(
        self, target: str, init: str | list[str] | None, **kwargs: Any
    ) -> list[str]:
        """Add one fine-tuning run per fold; ``flip`` also mirrors clips."""
        options = dict(kwargs.pop('options', None) or {})
        flip = kwargs.pop('flip', False)
        tuning = self._config(
            self.tuning, kwargs.get('network') or self.network
        )
        for key, value in flip_options(tuning, flip).items():
            options.setdefault(key, value)
        # 300 test videos of 10 clips: validate only once, at the end.
        epochs = kwargs.get('epochs') or self.finetune_epochs
        options.setdefault('train_cfg.val_interval', epochs)
        kwargs['folds'] = True
        kwargs.setdefault('shots', self.few)
        return super().finetune(target, init, options=options, **kwargs)


def flip_options(config: str, flip: bool) -> dict:
    """Return the options that mirror half of the training clips, or none."""
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    return {
        f'train_dataloader.dataset.pipeline.{i}.flip_ratio': 0.5 * flip
        for i, step in enumerate(cfg.train_dataloader.dataset.pipeline)
        if step['type'] == 'Flip'
    }


def mocap_flip(p: Preset) -> Experiment:
    """The flip bug and folded labels, with and without flips."""
    table = Experiment('Left and right: which labels, and flips')
    target = p.targets[0]
    inits = {
        'MoSI': p.mosi(target),
        'MoSI, flipped after the motion (released code)': p.mosi(
            target, flip_rendered=True
        ),
        'MoSI, folded labels (signed=False)': p.mosi(
            target, motion=dict(signed=False)
        ),
    }
    for flip in (False, True):
        words = 'flips' if flip else 'no flips'
        base = p.row(target, f'MoSI, {words}', inits['MoSI'], flip=flip)
        table.rows += [
            p.row(target, f'from scratch, {words}', baseline=base, flip=flip),
            base,
            *(
                p.row(target, f'{name}, {words}', init, '', base, flip=flip)
                for name, init in list(inits.items())[1:]
            ),
        ]
    return table


#: Networks with a published file, and their sizes in words.
SIZES = {'r2p1d': 'tiny', 'r2p1d-small': 'small'}


def sizes(p: Tiny) -> Experiment:
    """The two published networks, each against its own scratch."""
    table = Experiment('The published networks: tiny and small')
    for network, size in SIZES.items():
        name = f'mosi_{network}_deadleaves'
        base = p.row(p.targets[0], f'{size}, from scratch', network=network)
        table.rows += [
            base,
            p.row(
                p.targets[0],
                f'{size}, MoSI',
                baseline=base,
                network=network,
                options=dict(load_from=f'mosi://{name}'),
            ),
        ]
        built = p.networks[network]
        table.notes.append(
            f'{size.capitalize()}: {built.title}, fine-tuned at '
            f'{built.clips[1]}, with the recipe of its size; MoSI is {name}, '
            'the published file.'
        )
    return table


#: Recipes that are pretrained several times, as arguments of set_motion.
RECIPES: dict[str, dict[str, Any]] = {
    'MoSI, the paper’s clips': {},
    **{
        words: LAYERS[words]
        for words in (
            'mattes of mixed shapes',
            'zoom, too',
            'turn, too',
            'swing, too',
        )
    },
    'no mask': dict(static_mask=None),
    'x only': dict(axes='x'),
    'y only': dict(axes='y'),
}

#: Seeds of their pretrainings; all other experiments have seed 0.
PRETRAINING_SEEDS = (1, 2, 3)


def pretrainings(p: Tiny) -> Experiment:
    """Several pretrainings of a recipe: what a verdict on one is worth."""
    table = Experiment('Another pretraining of the same recipe')
    for seed in PRETRAINING_SEEDS:
        base: Row | None = None
        for words, motion in RECIPES.items():
            row = p.row(
                p.targets[0],
                f'{words}{PRETRAINING}{seed}',
                p.mosi(p.targets[0], motion=motion, seed=seed),
                baseline=base,
            )
            table.rows.append(row)
            base = base or row
    table.notes.append(
        'The number of a pretraining is its seed. Each row is compared with '
        'the paper’s clips of the same number; docs/mocap.md compares '
        'recipes over all pretrainings.'
    )
    return table


#: Experiments in addition to those of the paper, which this preset also runs.
MOCAP_EXPERIMENTS = dict(
    mocap_flip=mocap_flip, sizes=sizes, pretrainings=pretrainings
)
