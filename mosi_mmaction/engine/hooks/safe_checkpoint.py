"""Checkpoints that survive a kill and a full disk."""

import os.path as osp
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmaction.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import CheckpointHook
from mmengine.runner import CheckpointLoader

from ...checkpoints.files import save_published
from ...checkpoints.guard import guard_loading
from ...checkpoints.resume import find_resume
from .check_loaded import CheckLoadedHook


class _Keeping:
    """A file backend that records removals instead of making them."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.outdated: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self.outdated.append(path)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, made safe against kills and full disks.

    - Files are written under a temporary name and renamed.
    - An outdated file is deleted only after the new one has been written.
    - A resumed run (``--resume`` without a path) starts from the newest
      intact file; damaged ones are named.

    Arguments are those of :class:`mmengine.hooks.CheckpointHook`; without
    ``backend_args`` files go to the local disk.
    """

    #: Set before training; None in ``runner.val()`` alone.
    file_backend: Any = None

    def __init__(
        self, *args, backend_args: dict | None = None, **kwargs
    ) -> None:
        super().__init__(
            *args, backend_args=backend_args or {'backend': 'atomic'}, **kwargs
        )

    def before_run(self, runner) -> None:
        """Choose the checkpoint that an automatic resume starts from.

        Raises:
            ValueError: If there are checkpoints, but none is intact.
        """
        if runner._resume and runner._load_from is None:
            runner._load_from = find_resume(
                runner.work_dir, self.filename_tmpl, runner.logger.error
            )

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Refuse to resume from weights alone, or from another network.

        Raises:
            ValueError: If the state of the run is missing, or weights are.
        """
        if not runner._resume:
            return
        missing = {'meta', 'message_hub', 'optimizer'} - set(checkpoint)
        if missing:
            raise ValueError(
                f'--resume {runner._load_from}: the file has no '
                f'{sorted(missing)}, so no run can continue from it; to '
                'start a new run from its weights, use load_from'
            )
        if not any(isinstance(h, CheckLoadedHook) for h in runner.hooks):
            CheckLoadedHook().after_load_checkpoint(runner, checkpoint)

    def _save_checkpoint_with_step(
        self, runner, step: int, meta: dict
    ) -> None:
        with self._deleting_last():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        if self.file_backend is None:
            return
        with self._deleting_last():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _deleting_last(self) -> Iterator[None]:
        """Delete an outdated file only once its replacement is there."""
        backend = self.file_backend
        self.file_backend = _Keeping(backend)
        try:
            yield
            outdated = self.file_backend.outdated
        finally:
            self.file_backend = backend
        kept = {
            self.last_ckpt,
            getattr(self, 'best_ckpt_path', None),
            *getattr(self, 'best_ckpt_path_dict', {}).values(),
        }
        for path in outdated:
            if path not in kept:
                self.file_backend.remove(path)

    @master_only
    def _publish_model(self, runner, ckpt_path: str) -> None:
        """Write a file with only ``published_keys``, as MMEngine does."""
        checkpoint = CheckpointLoader.load_checkpoint(
            ckpt_path, map_location='cpu', logger='silent'
        )
        published = {
            k: v for k, v in checkpoint.items() if k in self.published_keys
        }
        path = save_published(
            published, osp.splitext(ckpt_path)[0], self.backend_args
        )
        runner.logger.info(f'{ckpt_path} is published as {path}')


guard_loading()
