"""Make a network fast without changing its weights or checkpoints."""

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from ...checkpoints.weights import unwrap_model
from ...models.heads.device_accuracy import count_on_device
from ...models.layers.compiled_training import compile_training
from ...models.layers.folded_conv import fold_convolutions
from ...models.layers.folded_pool import fold_pooling
from ...models.layers.padded_widths import pad_widths
from ...structures.malloc import keep_freed_memory, release_freed_memory


@HOOKS.register_module()
class FastModelHook(Hook):
    """Make the network fast before a run; its weights do not change.

    Args:
        channels_last: Whether the weights of 3D convolutions use the
            memory format ``torch.channels_last_3d``, in which the clips are
            rendered. It decides which kernels run; names, shapes and
            checkpoints are unchanged.
        compile: Whether ``torch.compile`` compiles the backbone's training
            step, or a dict of its arguments. The first steps then take
            minutes. The partial batch at the end of an epoch, validation
            and test run uncompiled.
        fold: Whether factorised convolutions are computed in two
            dimensions on CPUs, see
            :func:`~.models.layers.folded_conv.fold_convolutions`. This is
            faster at the paper's widths, but slower at those of the tiny
            configs. ``'everywhere'`` also folds on GPUs and in bfloat16,
            where it has not been measured.
        pad_widths: Whether the odd inner widths of R(2+1)D are padded to
            multiples of 8 at run time, see
            :func:`~.models.layers.padded_widths.pad_widths`. It is meant for
            the matrix units of GPUs, where it has not been measured.
        fold_pools: Whether max pools of frames, as in the stem of MMAction2's
            3D ResNets, are computed in two dimensions, see
            :func:`~.models.layers.folded_pool.fold_pooling`. This changes no
            bit. On a CPU it gains nothing; on a GPU it has not been measured.
        keep_memory: Whether a process that trains on a CPU keeps the memory
            it frees, see
            :func:`~.structures.malloc.keep_freed_memory`. It needs glibc and
            has no effect elsewhere.
        accuracy_on_device: Whether a classifier of MMAction2 counts the
            top-k accuracy of its training clips on the device instead of on
            the CPU, which costs two waits a step.
    """

    def __init__(
        self,
        channels_last: bool = True,
        compile: bool | dict = False,
        fold: bool | str = False,
        keep_memory: bool = False,
        pad_widths: bool = False,
        accuracy_on_device: bool = False,
        fold_pools: bool = False,
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
        self.fold_pools = fold_pools
        self.keep_memory = keep_memory
        self.accuracy_on_device = accuracy_on_device
        self._keeps = False
        self._have_workers: set = set()

    def before_run(self, runner) -> None:
        """Change the model of the runner in place."""
        model = unwrap_model(runner.model)
        device = next(model.parameters()).device.type
        self._keeps = (
            self.keep_memory and device == 'cpu' and keep_freed_memory()
        )
        if self.fold:
            fold_convolutions(model, everywhere=self.fold == 'everywhere')
        if self.fold_pools:
            fold_pooling(model)
        if self.pad_widths:
            pad_widths(model)
        if self.accuracy_on_device and getattr(model, 'cls_head', None):
            count_on_device(model.cls_head)
        if self.channels_last:
            for weight in model.parameters():
                if weight.ndim == 5:
                    weight.data = weight.data.contiguous(
                        memory_format=torch.channels_last_3d
                    )
            if is_model_wrapper(runner.model):
                # DistributedDataParallel has stored the old strides and would
                # permute the gradients of its first step.
                runner.model = runner.wrap_model(
                    runner.cfg.get('model_wrapper_cfg'), model
                )
        if self.compile:
            options = {} if self.compile is True else dict(self.compile)
            compile_training(model.backbone, **options)

    def _before_epoch(self, runner, mode: str = 'train') -> None:
        # Forked workers share the freed pages that the process keeps, and
        # the next step would copy every page that it writes to.
        loader = getattr(runner, f'{mode}_dataloader')
        if self._keeps and loader not in self._have_workers:
            release_freed_memory()
        if getattr(loader, 'persistent_workers', False):
            self._have_workers.add(loader)
