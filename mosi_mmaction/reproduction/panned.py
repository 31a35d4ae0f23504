"""A camera that moves: what helps where the test videos are panned."""

from mmengine.config import Config

from .experiment import Experiment
from .presets import CONFIGS, Preset, Row

#: Side of the window that slides over the videos, and its largest way, as
#: ratios of the frame and of the window.
WINDOW, DRIFT = 0.8, 0.25

#: Pretrainings, as arguments of set_motion; None is from scratch.
PRETRAININGS = {
    'MoSI, the paper’s clips': {},
    'from scratch': None,
    'a moving background, absolute labels': dict(background=0.25),
    'a moving background, relative labels': dict(
        background=dict(max_shift=0.25, label='relative')
    ),
    'MoSI, the paper’s clips, separate heads': dict(separate=True),
    'a moving background, absolute labels, separate heads': dict(
        background=0.25, separate=True
    ),
    'a moving background, relative labels, separate heads': dict(
        background=dict(max_shift=0.25, label='relative'), separate=True
    ),
}

#: Those that are fine-tuned with a crop that drifts, too.
REMEDY = tuple(PRETRAININGS)[:4]


def camera_options(config: str, test: float, train: bool = False) -> dict:
    """Return the options that move a window over the videos of a config.

    Args:
        config: Name of a fine-tuning.
        test: Largest way of the window at validation and test.
        train: Whether it drifts in training, too.
    """
    cfg = Config.fromfile(CONFIGS / f'{config}.py')
    drifts = dict(val=test, test=test)
    if train:
        drifts['train'] = DRIFT
    options = {}
    for part, drift in drifts.items():
        steps = []
        for step in cfg[f'{part}_dataloader'].dataset.pipeline:
            steps.append(dict(step))
            if step['type'].endswith('Decode'):
                steps.append(
                    dict(
                        type='DriftingCrop',
                        size_ratio=WINDOW,
                        max_drift=drift,
                    )
                )
        options[f'{part}_dataloader.dataset.pipeline'] = steps
    return options


def panned(p: Preset) -> Experiment:
    """Test videos at rest and panned, by pretraining and by the remedy."""
    table = Experiment('A camera that moves: panned test videos')
    target = p.targets[0]
    inits = {
        words: None if motion is None else p.mosi(target, motion=motion)
        for words, motion in PRETRAININGS.items()
    }
    for place, drift in (('panned', DRIFT), ('at rest', 0.0)):
        base: Row | None = None
        for train in (False, True):
            for words in REMEDY if train else inits:
                ending = ', fine-tuned with DriftingCrop' if train else ''
                row = p.row(
                    target,
                    f'{place}: {words}{ending}',
                    inits[words],
                    baseline=base,
                    options=camera_options(p.tuning_of(target), drift, train),
                )
                table.rows.append(row)
                base = base or row
    table.notes.append(
        f'Every test clip is seen through a window of {WINDOW} of the frame '
        'that slides (panned) by up to '
        f'{DRIFT} of its side, on a way of its own, or rests.'
    )
    return table
