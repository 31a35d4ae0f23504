"""Make the network fast for training, and stock again when it is saved."""

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...models.layers.folded_conv import fold_convolutions
from ...models.layers.padded_widths import pad_widths
from ...structures.malloc import keep_freed_memory, release_freed_memory


@HOOKS.register_module()
class FastModelHook(Hook):
    """Prepare the network for speed before a run; its weights stay equal.

    Args:
        channels_last: Whether the weights of 3D convolutions take the
            memory format ``torch.channels_last_3d``, in which the clips are
            rendered. It decides which kernels run; names, shapes and
            checkpoints stay as they are.
        compile: Whether ``torch.compile`` compiles the backbone, or a dict
            of its arguments. The first steps then take minutes.
        fold: Whether factorised convolutions are computed in two
            dimensions on CPUs, see
            :func:`~.models.layers.folded_conv.fold_convolutions`. Pays with
            the widths of the paper, not with those of the tiny configs.
            ``'everywhere'`` also on GPUs and in bfloat16, where it was not
            measured.
        pad_widths: Whether the odd inner widths of R(2+1)D are padded to
            multiples of 8 at run time, see
            :func:`~.models.layers.padded_widths.pad_widths`. Meant for the
            matrix units of GPUs, where it was not measured.
        keep_memory: Whether a process that trains on a CPU keeps the memory
            it frees, see
            :func:`~.structures.malloc.keep_freed_memory`. Needs glibc; does
            nothing elsewhere.
    """

    def __init__(
        self,
        channels_last: bool = True,
        compile: bool | dict = False,
        fold: bool | str = False,
        keep_memory: bool = False,
        pad_widths: bool = False,
    ) -> None:
        if fold not in (True, False, 'everywhere'):
            raise ValueError(
                f'FastModelHook.fold={fold!r}: allowed are True, False and '
                "'everywhere'"
            )
        self.pad_widths = pad_widths
        self.channels_last = channels_last
        self.compile = compile
        self.fold = fold
        self.keep_memory = keep_memory
        self._keeps = False
        self._have_workers: set = set()

    def before_run(self, runner) -> None:
        """Change the model of the runner in place."""
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        device = next(model.parameters()).device.type
        self._keeps = (
            self.keep_memory and device == 'cpu' and keep_freed_memory()
        )
        if self.fold:
            fold_convolutions(model, everywhere=self.fold == 'everywhere')
        if self.pad_widths:
            pad_widths(model)
        if self.channels_last:
            for weight in model.parameters():
                if weight.ndim == 5:
                    weight.data = weight.data.contiguous(
                        memory_format=torch.channels_last_3d
                    )
            if is_model_wrapper(runner.model):
                # DistributedDataParallel has noted the old strides and would
                # permute the gradients of its first step.
                runner.model = runner.wrap_model(
                    runner.cfg.get('model_wrapper_cfg'), model
                )
        if self.compile:
            options = {} if self.compile is True else dict(self.compile)
            model.backbone.compile(**options)

    def _before_epoch(self, runner, mode: str = 'train') -> None:
        # Workers forked from a process that keeps freed pages share them,
        # and the next step would copy every page that it writes to.
        loader = getattr(runner, f'{mode}_dataloader')
        if self._keeps and loader not in self._have_workers:
            release_freed_memory()
        if getattr(loader, 'persistent_workers', False):
            self._have_workers.add(loader)
