"""Batches sent from a worker to the trainer.

Every tensor sent between processes costs a file descriptor and a connection
to the worker, regardless of its size, and the trainer waits for each. So a
batch is sent as one tensor.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmaction.structures import ActionDataSample
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch.utils.data import default_collate

from ..method.motion import render
from ..method.plan import PseudoMotion
from .batch_memory import empty_sample, stack_samples


class MoSIDataSample(ActionDataSample):
    """A data sample whose labels are sent to other processes by value.

    Attributes:
        motion: Plan of the clips, a data field, if they have not been
            rendered yet.
    """

    motion: PseudoMotion

    def __getstate__(self) -> tuple[dict, dict]:
        state, arrays = dict(self.__dict__), {}
        for name, value in self.__dict__.items():
            if (
                isinstance(value, torch.Tensor)
                and value.dtype == torch.int64
                and value.device.type == 'cpu'
            ):
                arrays[name] = state.pop(name).numpy()
        return state, arrays

    def __setstate__(self, state: tuple[dict, dict]) -> None:
        self.__dict__.update(state[0])
        for name, array in state[1].items():
            self.__dict__[name] = torch.from_numpy(array)


@FUNCTIONS.register_module()
def mosi_collate(batch: Sequence[dict]) -> dict[str, Any]:
    """Collate what ``PackMoSIInputs`` or ``PackActionInputs`` packed.

    Use it as the ``collate_fn`` of a data loader.

    Args:
        batch: B dicts with ``inputs``, a uint8 tensor of clips
            (C, 3, N, L, L) or a source image (3, H, W), and ``data_samples``.

    Returns:
        ``inputs``, (B, C, 3, N, L, L) or (B, 3, H, W), still channels last in
        memory; and ``data_samples``, a list of B, in which MMAction2's own
        class is replaced by :class:`MoSIDataSample`. Inputs of different
        shapes or of other kinds are collated by ``pseudo_collate``.
    """
    if _is_unrendered(batch):
        batch = _rendered(batch)
    collated = pseudo_collate(batch)
    inputs = [sample['inputs'] for sample in batch]
    if _is_stackable(inputs):
        channel = -4 if inputs[0].ndim == 5 else -3
        stacked = stack_samples(inputs, channel)
        if stacked is None:
            # In a worker this writes directly into new shared memory.
            stacked = default_collate(
                [x.movedim(channel, -1) for x in inputs]
            ).movedim(-1, channel)
        collated['inputs'] = stacked
        samples = collated.get('data_samples')
        if isinstance(samples, list):
            collated['data_samples'] = [_by_value(s) for s in samples]
    return collated


def _by_value(sample: Any) -> Any:
    """Return a sample of MMAction2 as one that is sent by value."""
    if type(sample) is not ActionDataSample:
        return sample
    ours = MoSIDataSample()
    ours.__dict__.update(sample.__dict__)
    return ours


def _is_unrendered(batch: Sequence[Any]) -> bool:
    return all(
        isinstance(s, dict)
        and isinstance(s.get('data_samples'), MoSIDataSample)
        and s['data_samples'].get('render_in_batch', False)
        for s in batch
    )


def _rendered(batch: Sequence[dict]) -> list[dict]:
    """Render clips whose foreground shows the next sample's image."""
    images = [s['inputs'].permute(1, 2, 0).numpy() for s in batch]
    rendered = []
    for i, sample in enumerate(batch):
        plan = sample['data_samples'].motion
        other = images[(i + 1) % len(images)]
        out = empty_sample(plan.shape)
        clips = render(images[i], plan, out, other)
        inputs = torch.from_numpy(clips).permute(0, 4, 1, 2, 3)
        rendered.append(dict(sample, inputs=inputs))
    return rendered


def _is_stackable(inputs: Sequence[Any]) -> bool:
    return (
        all(
            isinstance(x, torch.Tensor)
            and x.dtype == torch.uint8
            and x.ndim in (3, 5)
            for x in inputs
        )
        and len({x.shape for x in inputs}) == 1
    )
