"""Walk a config: its dicts, its pipelines, the steps of a pipeline."""

from collections.abc import Iterator
from typing import Any

from mmaction.registry import DATASETS, MODELS, TRANSFORMS
from mmengine.config import Config

#: The steps that draw a plan, in their required order.
_DRAWING = (
    'DrawPseudoMotion',
    'DrawStaticMask',
    'DrawMovingBackground',
    'DrawColorJitter',
)

#: Transforms that choose the frames of a clip.
SAMPLING = ('SampleFrames', 'SampleFramesAtRate', 'DenseSampleFrames')


def set_step(pipeline: list, kind: str, value: dict | None) -> None:
    """Set a drawing step of a pipeline, or remove it with None.

    A new step is inserted right after those that must be drawn before it.
    """
    step = find_step(pipeline, kind)
    if value is None:
        if step is not None:
            pipeline.remove(step)
        return
    new = dict(value)
    if step is not None:
        step.update(new)
    else:
        before = _DRAWING[: _DRAWING.index(kind)]
        at = max(i for i, s in enumerate(pipeline) if s.get('type') in before)
        pipeline.insert(at + 1, dict(type=kind, **new))


def find_step(pipeline: list, kind: str) -> dict | None:
    """Return the step of this type, or None."""
    return next(
        (s for s in pipeline if isinstance(s, dict) and s.get('type') == kind),
        None,
    )


def is_sampling(step: Any) -> bool:
    """Return whether a step of a pipeline chooses the frames of clips."""
    return isinstance(step, dict) and step.get('type') in SAMPLING


def walk(node: Any) -> Iterator[dict]:
    """Yield every dict of a config, outer ones first."""
    if isinstance(node, (dict, Config)):  # a Config is not a dict
        yield node
        node = list(node.values())
    if isinstance(node, (list, tuple)):
        for child in node:
            yield from walk(child)


def name_classes(cfg: Any) -> None:
    """Replace registered classes by their names, in place.

    A pure-Python config has classes as types; what a run writes of it, into
    its work dir and its checkpoints, has their paths.
    """
    for node in walk(cfg):
        kind = node.get('type')
        if isinstance(kind, type):
            kind = f'{kind.__module__}.{kind.__name__}'
        if not isinstance(kind, str) or '.' not in kind:
            continue
        name = kind.rpartition('.')[2]
        for registry in (MODELS, TRANSFORMS, DATASETS):
            found = registry.get(name)
            # Packages show their classes at other paths than the modules'.
            if found and _package(found.__module__) == _package(kind):
                node['type'] = name


def _package(path: str) -> str:
    return path.partition('.')[0]


def find_dataset(cfg: dict, part: str, caller: str) -> dict:
    """Return the config of a dataset, inside wrappers such as RepeatDataset.

    Args:
        cfg: The config.
        part: ``'train'``, ``'val'`` or ``'test'``.
        caller: Name of the function that needs it, for the message.

    Raises:
        ValueError: If there is none.
    """
    dataset = (cfg.get(f'{part}_dataloader') or {}).get('dataset')
    while dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    if not dataset:
        raise ValueError(
            f'{caller}: the config has no {part}_dataloader with a dataset'
        )
    return dataset


def find_pipelines(node: Any) -> Iterator[list]:
    """Yield every list that is a value of a config's dicts."""
    for holder in walk(node):
        yield from (v for v in holder.values() if isinstance(v, list))
