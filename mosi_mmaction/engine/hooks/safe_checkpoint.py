"""Checkpoints that survive a kill, a full disk, and hostile hands."""

import functools
import io
import os
import os.path as osp
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import torch
from mmaction.registry import HOOKS
from mmengine import fileio
from mmengine.dist import master_only
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader

from .hooks import CheckLoadedHook


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """The local disk, but a file is there whole or not at all.

    Beside the file, a new one with ``.tmp`` at its end is written and, as
    soon as it is on the disk, renamed. What a kill leaves behind is
    overwritten the next time.
    """

    def put(self, obj: bytes, filepath: str) -> None:
        """Write a file.

        Raises:
            OSError: If the disk is full, or the place not writable; an
                older file of that name is still there then.
        """
        folder = osp.dirname(osp.abspath(filepath))
        os.makedirs(folder, exist_ok=True)
        temporary = f'{filepath}.tmp'
        try:
            with open(temporary, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            if osp.exists(temporary):
                os.remove(temporary)
            raise
        os.replace(temporary, filepath)
        # The name, too, has to reach the disk.
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def whole(path: str) -> bool:
    """Say whether a checkpoint file was written to its end.

    Args:
        path: A local file. The archives that torch writes carry checksums,
            which are compared; of files of older formats only the first
            bytes are looked at.
    """
    with open(path, 'rb') as file:
        start = file.read(4)
    if start != b'PK\x03\x04':
        return start[:1] == b'\x80'  # a plain pickle, of torch < 1.6
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, EOFError, NotImplementedError):
        return False


class _Keeping:
    """A file backend that only notes what is to be removed."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.outdated: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self.outdated.append(path)


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, whose newest checkpoint is always whole.

    - Files are written aside and renamed.
    - An outdated file is deleted after the new one was written.
    - A resumed run (``--resume`` without a path) starts from the newest
      file that is whole; those that are not are named.

    Arguments are those of :class:`mmengine.hooks.CheckpointHook`; without
    ``backend_args`` files go to the local disk.
    """

    file_backend: Any

    def __init__(
        self, *args, backend_args: dict | None = None, **kwargs
    ) -> None:
        super().__init__(
            *args, backend_args=backend_args or {'backend': 'atomic'}, **kwargs
        )

    def before_run(self, runner) -> None:
        """Choose the checkpoint that an automatic resume starts from.

        Raises:
            ValueError: If there are checkpoints, but none is whole.
        """
        if not runner._resume or runner._load_from is not None:
            return
        candidates = self._candidates(runner.work_dir)
        for path in candidates:
            if whole(path):
                runner._load_from = path
                return
            runner.logger.error(
                f'{path} is not whole (the disk was full, or the file was '
                'copied in part): it is skipped, and the one before it '
                'resumed from'
            )
        if candidates:
            raise ValueError(
                f'--resume: no checkpoint of {runner.work_dir} is whole: '
                f'{", ".join(candidates)}; remove them to start anew'
            )

    def _candidates(self, work_dir: str) -> list[str]:
        """Return the files of a run: the latest, and those before it."""
        pointer = osp.join(work_dir, 'last_checkpoint')
        latest = ''
        if osp.isfile(pointer):
            with open(pointer, encoding='utf-8') as file:
                latest = file.read().strip()
        # A run may have been moved together with its work_dir.
        if latest and not osp.isfile(latest):
            latest = osp.join(work_dir, osp.basename(latest))
        folder = osp.dirname(latest) or work_dir
        pattern = re.compile(
            re.escape(self.filename_tmpl).replace(r'\{\}', r'(\d+)') + '$'
        )
        found = {}
        for name in os.listdir(folder) if osp.isdir(folder) else ():
            match = pattern.match(name)
            if match:
                found[int(match[1])] = osp.join(folder, name)
        steps = sorted(found, reverse=True)
        match = pattern.match(osp.basename(latest))
        if match:
            # What has a higher number is of an older, longer run.
            steps = [step for step in steps if step <= int(match[1])]
        return [found[step] for step in steps]

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
                f'{sorted(missing)}, so no run can go on from it; a run that '
                'begins with its weights takes it as load_from'
            )
        CheckLoadedHook().after_load_checkpoint(runner, checkpoint)

    def _save_checkpoint_with_step(
        self, runner, step: int, meta: dict
    ) -> None:
        with self._deleting_last():
            super()._save_checkpoint_with_step(runner, step, meta)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        with self._deleting_last():
            super()._save_best_checkpoint(runner, metrics)

    @contextmanager
    def _deleting_last(self) -> Iterator[None]:
        """Delete what is outdated only when what replaces it is there."""
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
        """Write a file with ``published_keys`` only, as MMEngine does."""
        checkpoint = CheckpointLoader.load_checkpoint(
            ckpt_path, map_location='cpu'
        )
        published = {
            k: v for k, v in checkpoint.items() if k in self.published_keys
        }
        path = save_published(
            published, osp.splitext(ckpt_path)[0], self.backend_args
        )
        runner.logger.info(f'{ckpt_path} is published as {path}')


def save_published(
    content: dict, stem: str, backend_args: dict | None = None
) -> str:
    """Save a checkpoint under a name that tells its checksum.

    Args:
        content: The checkpoint.
        stem: Path without extension.
        backend_args: Of MMEngine's file backend; None is the local disk.

    Returns:
        The path: stem, ``-``, the first eight hexadecimal digits of the
        file's SHA-256, ``.pth``.
    """
    with io.BytesIO() as buffer:
        torch.save(content, buffer)
        raw = buffer.getvalue()
    path = f'{stem}-{sha256(raw).hexdigest()[:8]}.pth'
    fileio.put(raw, path, backend_args or {'backend': 'atomic'})
    return path


def _guard(load: Callable) -> Callable:

    @functools.wraps(load)
    def guarded(filename: str, *args, **kwargs) -> Any:
        try:
            checkpoint = load(filename, *args, **kwargs)
        except pickle.UnpicklingError as error:
            found = re.search(
                r'Unsupported (?:global|class|operand|instruction)[^\n]*'
                r'|getattr\([^\n]*|GLOBAL \S+',
                str(error),
            )
            what = f' ({found[0]})' if found else ''
            raise ValueError(
                f'{filename}: refused, as it holds more than weights and '
                f'numbers{what}. Loading that would run code of whoever '
                'made the file'
            ) from error
        except (RuntimeError, EOFError, zipfile.BadZipFile) as error:
            reason = (str(error) or repr(error)).split('\n')[0]
            raise ValueError(
                f'{filename}: not a checkpoint, or one that was not written '
                f'to its end: {reason}'
            ) from error
        if not isinstance(checkpoint, dict):
            raise ValueError(
                f'{filename}: not a checkpoint, but a '
                f'{type(checkpoint).__name__}'
            )
        meta = checkpoint.get('meta')
        if isinstance(meta, dict) and meta.pop('config', None) is not None:
            # The Runner would execute it (mmengine/runner/runner.py:2028).
            print_log(f'{filename}: meta.config is ignored', 'current')
        return checkpoint

    return guarded


def guard_loading() -> None:
    """Say clearly what is wrong with a checkpoint; ignore code in it.

    For every scheme that MMEngine's CheckpointLoader knows, hence for
    ``load_from``, ``--resume``, tests, and its ``load_checkpoint()``.
    """
    for prefix, load in list(CheckpointLoader._schemes.items()):
        if not hasattr(load, '__wrapped__'):
            CheckpointLoader.register_scheme(prefix, _guard(load), force=True)


guard_loading()
