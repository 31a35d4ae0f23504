"""The next batch crosses to the device while a step runs."""

from collections.abc import Iterator
from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from torch import Tensor

from .random_streams import restart_iterator


@HOOKS.register_module()
class UploadAheadHook(Hook):
    """Send each training batch to the device one step early.

    On a GPU the copy has a stream of its own and runs beside the step; it
    needs ``pin_memory=True`` in ``train_dataloader``. The batches and their
    order stay the same. Elsewhere batches are only fetched one step early.
    """

    priority = 'VERY_LOW'

    def before_train(self, runner) -> None:
        """Put the upload between data loader and training loop."""
        loop = runner.train_loop
        if not isinstance(loop.dataloader, UploadAhead):
            device = next(runner.model.parameters()).device
            loop.dataloader = UploadAhead(loop.dataloader, device)
            restart_iterator(loop)

    def after_train(self, runner) -> None:
        """Give the loop its data loader back."""
        loop = runner.train_loop
        if isinstance(loop.dataloader, UploadAhead):
            loop.dataloader = loop.dataloader.loader


class UploadAhead:
    """A data loader whose batches are on the device when they are handed out.

    Args:
        loader: Yields dicts with ``inputs``, a tensor or a list of them.
        device: Where they go.
    """

    def __init__(self, loader: Any, device: torch.device) -> None:
        self.loader = loader
        self.device = device

    def __getattr__(self, name: str) -> Any:
        if name == 'loader':  # not there yet: while it is unpickled
            raise AttributeError(name)
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[dict]:
        stream = None
        if self.device.type == 'cuda':
            stream = torch.cuda.Stream(self.device)
        ready = None
        for batch in self.loader:
            following = self._sent(batch, stream)
            if ready is not None:
                yield self._taken(*ready)
            ready = following
        if ready is not None:
            yield self._taken(*ready)

    def _sent(self, batch: dict, stream: Any) -> tuple[dict, Any]:
        """Return a batch on its way, and the event of its arrival."""
        inputs = batch['inputs']
        with torch.cuda.stream(stream):  # None: does nothing
            if isinstance(inputs, Tensor):
                inputs = inputs.to(self.device, non_blocking=True)
            else:
                inputs = [x.to(self.device, non_blocking=True) for x in inputs]
        # Not all of the stream's work: the next batch follows in it.
        arrival = None if stream is None else stream.record_event()
        return dict(batch, inputs=inputs), arrival

    def _taken(self, batch: dict, arrival: Any) -> dict:
        if arrival is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(arrival)
            inputs = batch['inputs']
            for x in [inputs] if isinstance(inputs, Tensor) else inputs:
                # Its memory must not be used again before the step is over.
                x.record_stream(current)
        return batch
