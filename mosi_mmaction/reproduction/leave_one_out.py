"""Table 1, leaving one actor out at a time."""

from collections.abc import Iterable, Mapping
from typing import Any

from .experiment import Experiment
from .preset_tiny import Tiny
from .presets import Row, interval_options


def table1_loso(p: Tiny, budgets: Iterable[tuple[str, int]]) -> Experiment:
    """Scratch against MoSI, one actor left out at a time."""
    table = Experiment(
        'Table 1, leave one actor out',
        folds=True,
        notes=['One seed a fold; the folds are the replicates.'],
    )
    if not p.folds:
        raise ValueError(
            '--loso: there are no lists loso/NAME_train.txt '
            'and loso/NAME_test.txt in --splits'
        )
    target = p.targets[0]
    # Kinds of pretraining are compared only with the preset's own network.
    varied = p.network == type(p).network
    if varied:
        table.notes.append(
            'Own frames, which is what the paper’s Table 1 pretrains on, are '
            'those of the fold’s training videos: one pretraining a fold, '
            'which has not seen the actor left out. Their Acc-PT is on '
            'frames of that actor.'
        )
    source = 'photographs' if p.photos else 'dead leaves'
    (papers, motion), *others = p.random_masks.items()
    papers = f'{source}, masks {papers}'
    each = f'{papers}, one pretraining a fold'
    # The paper recolours too, but the tiny configs do not. Greyscale is drawn
    # per frame here, as it was when these runs were made.
    recoloring = dict(grayscale_per_frame=True)
    recolored = f'{papers}, recoloured, one pretraining a fold'
    # Arguments of the pretrainings: of a single one, or of one per fold.
    conditions: dict[str, dict[str, Any] | list[dict[str, Any]]] = {
        papers: dict(motion=motion),
        each: [dict(motion=motion, seed=k) for k in range(len(p.folds))],
        recolored: [
            dict(motion={**motion, 'color_jitter': recoloring}, seed=k)
            for k in range(len(p.folds))
        ],
        f'{papers}, pretrained half as long': dict(motion=motion, times=0.5),
        f'{papers}, pretrained twice as long': dict(motion=motion, times=2),
        **{
            f'{source}, masks {words}': dict(motion=other)
            for words, other in others
        },
        'own frames': [
            dict(source='frames', fold=k) for k in range(len(p.folds))
        ],
    }
    for name, epochs in budgets:
        budget = f'{name} budget ({epochs} epochs)'
        base = p.row(
            target,
            f'from scratch, {budget}',
            key='scratch',
            epochs=epochs,
            folds=True,
        )
        table.rows.append(base)
        inits: dict[str, str | list[str]] = {}
        for words, how in conditions.items():
            # A long row takes core-hours.
            if (
                words not in (each, papers)
                and name == 'long'
                or words != each
                and not varied
            ):
                continue
            inits[words] = (
                p.mosi(target, **how)
                if isinstance(how, dict)
                else [p.mosi(target, **of_fold) for of_fold in how]
            )
            table.rows.append(
                p.row(
                    target,
                    f'MoSI, {words}, {budget}',
                    inits[words],
                    'axes xy',
                    base,
                    epochs=epochs,
                    folds=True,
                )
            )
        if name == 'short':
            table.rows += _loso_variants(
                p,
                {
                    words: inits[words]
                    for words in (each, recolored)
                    if words in inits
                },
                budget,
                epochs,
            )
    return table


def _loso_variants(
    p: Tiny, inits: Mapping[str, str | list[str]], budget: str, epochs: int
) -> list[Row]:
    """Return scratch and MoSI, by words, with other recipes."""
    head = '0.5 × the learning rate, 5 × for the classifier'
    faster: dict[str, Any] = dict(rate=0.5, head_rate=5)
    denser = dict(options=interval_options(p.tuning, 2))
    rows = []
    for what, where, theirs, ours in (
        (head, head, faster, faster),
        # Each with its best rate.
        (
            f'{p.scratch_rate} × the learning rate',
            'against that',
            dict(rate=p.scratch_rate),
            {},
        ),
        ('every 2nd frame', 'every 2nd frame', denser, denser),
    ):
        base = p.row(
            p.targets[0],
            f'from scratch, {what}, {budget}',
            key='scratch',
            epochs=epochs,
            folds=True,
            **theirs,
        )
        rows += [
            base,
            *(
                p.row(
                    p.targets[0],
                    f'MoSI, {words}, {where}, {budget}',
                    init,
                    'axes xy',
                    base,
                    epochs=epochs,
                    folds=True,
                    **ours,
                )
                for words, init in inits.items()
            ),
        ]
    return rows
