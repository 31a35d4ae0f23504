"""Does MoSI work for transformers, and what does it take?

Announced before it was run; docs/transformers.md says what counts as yes.
Pretraining is on dead leaves, fine-tuning as of the tiny preset.
"""

from typing import Any

from .experiment import Experiment
from .preset_tiny import Tiny

#: What pretraining varies, one at a time: words, network, arguments of mosi.
#: Adam is as the tiny convolutional networks have it.
VARIATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ('no masks', 'vit', dict(motion=dict(static_mask=None))),
    (
        'Adam, not clipped',
        'vit',
        dict(
            options={
                'optim_wrapper.optimizer': dict(
                    _delete_=True, type='Adam', lr=2e-3, weight_decay=1e-4
                ),
                'optim_wrapper.clip_grad': None,
            }
        ),
    ),
    ('recoloured', 'vit', dict(motion=dict(color_jitter={}))),
    (
        'no warm-up',
        'vit',
        dict(options={'param_scheduler.0.warmup_epochs': 0}),
    ),
    ('patches of 16²', 'vit-p16', {}),
    ('tubelets of 4 frames', 'vit-t4', {}),
]


def transformers(p: Tiny) -> Experiment:
    """Return ViT and Swin against scratch, then variations of ViT's."""
    table = Experiment('MoSI for transformers')
    target = p.targets[0]

    def pretrain(network, seed=0, times=0.5, **how):
        return p.mosi(
            target,
            network=network,
            source='leaves',
            seed=seed,
            times=times,
            **how,
        )

    vit = p.row(target, 'ViT, from scratch', network='vit')
    inits = [pretrain('vit', seed) for seed in p.seeds]
    swin = p.row(target, 'Video Swin, from scratch', network='swin')
    table.rows = [
        vit,
        p.row(
            target,
            'ViT, MoSI, one pretraining a seed',
            inits,
            baseline=vit,
            network='vit',
        ),
        swin,
        p.row(
            target,
            'Video Swin, MoSI, pretrained twice as long',
            pretrain('swin', times=1),
            baseline=swin,
            network='swin',
        ),
    ]
    for words, network, how in VARIATIONS:
        base = vit
        if network != 'vit':
            base = p.row(
                target, f'ViT, {words}, from scratch', network=network
            )
            table.rows.append(base)
        table.rows.append(
            p.row(
                target,
                f'ViT, {words}, MoSI',
                pretrain(network, **how),
                baseline=base,
                network=network,
            )
        )
    table.notes.append(
        'Pretraining on dead leaves, half as long as the preset’s where '
        'nothing else is said. The pretraining of every variation has seed 0.'
    )
    return table


#: Beside those of the paper, in the tiny preset.
TINY_EXPERIMENTS = dict(transformers=transformers)
