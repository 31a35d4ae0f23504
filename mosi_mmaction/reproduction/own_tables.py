"""Experiments that are not in the paper: our own questions."""

from typing import Any

from .experiment import Experiment
from .presets import Preset


def flip(p: Preset) -> Experiment:
    """The order of the authors' released code."""
    table = Experiment('Flip before or after the motion')
    target = p.targets[0]
    base = p.row(target, 'flip of the source image (ours)', p.mosi(target))
    table.rows += [
        base,
        p.row(
            target,
            'flip after the motion, label kept (released code)',
            p.mosi(target, flip_rendered=True),
            baseline=base,
        ),
    ]
    table.notes.append(
        'Flipped after the motion, half of the clips with a horizontal '
        'label have the wrong one: expected pretext top-1 is at most 77.8 % '
        '(5/9 + 4/9 / 2). Both are validated on the same, true labels.'
    )
    return table


def sources(p: Preset) -> Experiment:
    """Kinds of images, equally many."""
    table = Experiment('Kinds of source images, equally many')
    target = p.targets[0]
    base = p.scratch(target)
    table.rows.append(base)
    for words, how in p.source_rows():
        table.rows.append(
            p.row(
                target, f'MoSI, {words}', p.mosi(target, **how), baseline=base
            )
        )
    table.notes.append(
        'Pretext accuracy is on held-out images of the same kind.'
    )
    return table


def rates(p: Preset) -> Experiment:
    """Learning rate of fine-tuning, from scratch and after MoSI."""
    table = Experiment('Learning rate of fine-tuning')
    target = p.targets[0]
    motion = next(iter(p.random_masks.values()))
    init = [p.mosi(target, motion=motion, seed=seed) for seed in p.seeds]
    for factor, head in [
        (0.25, None),
        (0.5, None),
        (1, None),
        (2, None),
        (4, None),
        (0.25, 5),
        (0.5, 5),
        (1, 5),
    ]:
        words = (
            f'{factor:g} × the learning rate'
            if factor != 1
            else 'the learning rate of the config'
        )
        if head:
            words += f', {head} × for the classifier'
        how: dict[str, Any] = dict(rate=factor, head_rate=head)
        base = p.row(target, f'from scratch, {words}', **how)
        table.rows += [
            base,
            p.row(target, f'MoSI, {words}', init, baseline=base, **how),
        ]
    table.notes.append(
        'MoSI with the paper’s random masks and one '
        'pretraining a seed, which is that of both.'
    )
    return table


#: One extension at a time, as arguments of set_motion.
LAYERS: dict[str, dict[str, Any]] = {
    'unsigned labels': dict(signed=False),
    'zoom, too': dict(motions=('shift', 'zoom')),
    'turn, too': dict(motions=('shift', 'turn')),
    'swing, too': dict(motions=('shift', 'swing')),
    'acceleration': dict(ease=0.5),
    'a shaking hand': dict(shake=0.02),
    'mattes of mixed shapes': dict(shape='mixed'),
    'soft edges': dict(soft=0.2),
    'distractors': dict(num_distractors=2),
    'a moving background, absolute labels': dict(background=0.25),
    'a moving background, relative labels': dict(
        background=dict(max_shift=0.25, label='relative')
    ),
    'another texture': dict(background=dict(max_shift=0.0, texture='other')),
    'zoom, swing and unsigned labels': dict(
        motions=('shift', 'zoom', 'swing'), signed=False
    ),
    'the first settings of mosi_r2p1d_layers': dict(
        motions=('shift', 'turn'),
        signed=False,
        ease=0.5,
        shape='mixed',
        soft=0.1,
        background=0.25,
    ),
}


def layers(p: Preset) -> Experiment:
    """Clips of layers, one extension at a time, against the paper's."""
    table = Experiment('Beyond the paper: layers')
    target = p.targets[0]
    base = p.row(target, 'MoSI, the paper’s clips', p.mosi(target))
    table.rows.append(base)
    for words, motion in LAYERS.items():
        init = p.mosi(target, motion=motion)
        table.rows.append(p.row(target, words, init, baseline=base))
    table.notes.append(
        'Acc-PT of rows with other labels counts other labels: 13 with zoom, '
        'turn or swing, 7 unsigned.'
    )
    return table
