"""The summary of a training run: ten lines before it, three after it."""

import logging
import os
import os.path as osp
import shlex
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import get_world_size
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ..checkpoints.resume import find_resume
from ..checkpoints.weights import unwrap_model
from ..config.walk import walk
from ..engine.hooks.record_origin import video_decoders
from .commands import other_tool, short_path

#: Beginnings of records that go only to the log file.
_TO_FILE = (
    '\n' + '-' * 60,  # the environment
    'Config:\n',
    'Hooks will be executed in the following order:',
    'paramwise_options -- ',
    'Exp name: ',
    'Checkpoints will be saved to ',
    'Load checkpoint from ',  # CheckLoadedHook says more
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
    'The prefix is not set in metric class DumpResults',  # it computes none
)


#: Number of warnings that are repeated at the end.
_MOST = 5


class _Screen(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(_TO_FILE)


class _Warnings(logging.Handler):
    """Keep the warnings of a run, to repeat them where it ends."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip().partition('\n')[0]
        if not text.startswith(_TO_FILE) and text not in self.told:
            self.told.append(text)


class ToolRunner(Runner):
    """MMEngine's Runner, whose long records go only to the log file.

    Attributes:
        warnings: Warnings so far, the first line of each.
    """

    def build_logger(self, *args: Any, **kwargs: Any) -> Any:
        """Build the logger, and filter what is printed."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_Screen())
        keep = _Warnings()
        logger.handlers.append(keep)
        self.warnings = keep.told
        return logger


def summarize(runner: Runner) -> str:
    """Describe a training run that is about to start, in about ten lines."""
    rows = list(_rows(runner))
    rows += [('WARNING', text) for text in getattr(runner, 'warnings', ())]
    width = max(len(name) for name, _ in rows)
    lines = [f'  {name:<{width}}  {text}' for name, text in rows]
    return '\n'.join(['what is trained', *lines])


def _rows(runner: Runner) -> Iterator[tuple[str, str]]:
    cfg, loop = runner.cfg, runner.train_loop
    model = unwrap_model(runner.model)
    yield 'config', str(cfg.filename)
    loader = loop.dataloader
    yield 'data', _data(loader.dataset)
    if runner.val_loop is not None:
        yield (
            'validation',
            (
                f'{_data(runner.val_loop.dataloader.dataset)}; after every '
                f'{_every(loop.val_interval, not _counts_steps(loop))}'
            ),
        )
    count = sum(p.numel() for p in model.parameters())
    head = getattr(model, 'cls_head', None)
    classes = getattr(head, 'num_classes', None)
    yield (
        'network',
        (
            f'{type(getattr(model, "backbone", model)).__name__}, '
            f'{count / 1e6:.2f} M parameters'
            + (
                f'; {type(head).__name__}, {classes} classes'
                if classes
                else ''
            )
        ),
    )
    start = runner._load_from
    if runner._resume:
        start = start or find_resume(runner.work_dir)
        yield 'start', f'resumed from {start}'
    else:
        yield 'start', f'weights of {start}' if start else 'random weights'
    size, ranks = loader.batch_size, get_world_size()
    if size is None:
        size = getattr(loader.batch_sampler, 'batch_size', '?')
    of = f' x {ranks} processes' if ranks > 1 else ''
    length = f'{loop.max_iters} steps'
    if not _counts_steps(loop):
        length += f' in {getattr(loop, "max_epochs", 1)} epochs'
    yield 'batch', f'{size} samples{of}; {length}'
    optimizer = cfg.optim_wrapper.get('optimizer') or {}
    yield (
        'optimizer',
        (f'{optimizer.get("type")}, learning rate {optimizer.get("lr")}'),
    )
    yield 'device', _device(loader.num_workers)
    steps = {node.get('type') for node in walk(cfg.train_dataloader)}
    if steps & {'VideoInit', 'LoadSourceFrame'}:
        decoders = video_decoders(cfg.train_dataloader)
        yield 'decoder', f'{decoders} for videos'
    hook = _checkpoint_hook(runner)
    if hook is not None and hook.interval > 0:
        yield 'checkpoints', _checkpoints(hook)
    yield 'work dir', f'{runner.work_dir}; log: {runner.log_dir}'


def _counts_steps(loop: Any) -> bool:
    """Return whether a training loop counts steps instead of epochs."""
    return hasattr(loop, 'dataloader_iterator')


def _every(interval: int, by_epoch: bool) -> str:
    unit = 'epoch' if by_epoch else 'step'
    return unit if interval == 1 else f'{interval} {unit}s'


def _checkpoints(hook: CheckpointHook) -> str:
    most, best = hook.max_keep_ckpts, hook.save_best
    text = f'after every {_every(hook.interval, hook.by_epoch)}; '
    text += f'the last {most} are kept' if most > 0 else 'all are kept'
    if not best:
        return text
    names = [best] if isinstance(best, str) else best
    return f'{text}, and the best by {", ".join(names)}'


def _data(dataset: Any) -> str:
    inner = dataset
    while hasattr(inner, 'dataset'):
        inner = inner.dataset
    where = getattr(inner, 'ann_file', '') or getattr(inner, 'root', '')
    return f'{len(dataset)} samples' + (f' of {where}' if where else '')


def _device(workers: int) -> str:
    if get_device() != 'cpu':
        return f'{torch.cuda.get_device_name()}; {workers} workers'
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    text = f'CPU, {threads} threads of {cores} cores; {workers} workers'
    busy = os.getloadavg()[0]
    if busy > cores and threads > 1:
        text += (
            f'. {busy:.0f} others compute on these cores: with '
            'OMP_NUM_THREADS=1 before the command, threads do not wait for '
            'one another'
        )
    return text


def conclude(runner: Runner, trained: bool = True) -> str:
    """Say how a training run ended, and what to run next.

    Args:
        runner: The run.
        trained: Whether it had a step to take.
    """
    scalars = runner.message_hub.log_scalars
    found = {
        name.removeprefix('val/'): buffer.current()
        for name, buffer in scalars.items()
        if name.startswith('val/') and name.endswith('/top1')
    }
    said = ', '.join(f'{name} {value:.4f}' for name, value in found.items())
    hook: Any = _checkpoint_hook(runner)
    name = getattr(hook, 'filename_tmpl', 'epoch_{}.pth')
    path = find_resume(runner.work_dir, name) or runner.work_dir
    lines = [f'done: {said or "not validated"}; {short_path(path)}']
    if not trained:
        length, option = f'{runner.max_epochs} epochs', '--epochs N'
        if _counts_steps(runner.train_loop):
            length = f'{runner.max_iters} steps'
            option = '--cfg-options train_cfg.max_iters=N'
        lines = [
            f'nothing left to do: {short_path(path)} has all {length}. To '
            f'train on: --resume {option}'
        ]
    told = getattr(runner, 'warnings', [])
    lines += [f'  WARNING: {text}' for text in told[:_MOST]]
    if told[_MOST:]:
        lines.append(f'  and {len(told) - _MOST} more warnings in the log')
    head: Any = getattr(unwrap_model(runner.model), 'cls_head', None)
    pretrained = type(head).__name__ == 'MoSIHead'
    # What a resumed run knows was said before its last epoch was validated.
    if trained and pretrained and 'pretext/top1' in found:
        lines += _hardly_learnt(found['pretext/top1'], 1 / len(head.pool))
    best = getattr(hook, 'best_ckpt_path', None)
    if best:
        lines.append(f'  best in validation: {short_path(best)}')
        if _validates_on_test(runner.cfg):
            lines.append(
                '    (the validation list is the test list, on which this '
                'checkpoint was chosen: do not report its accuracy as a '
                'result; report that of the last checkpoint)'
            )
    if runner.cfg.get('test_evaluator') is not None:
        config = osp.join(runner.work_dir, osp.basename(runner.cfg.filename))
        lines.append(f'  to test it: {other_tool("test", config, path)}')
    if pretrained:
        start = f'MOSI_PRETRAINED={shlex.quote(short_path(path))}'
        lines.append(
            f'  to fine-tune it: {start} {other_tool("train")} CONFIG, such '
            'as the finetune.py that data/split_videos writes'
        )
    return '\n'.join(lines)


def _hardly_learnt(top1: float, chance: float) -> list[str]:
    """Return a warning if a pretext task was not learnt."""
    if top1 - chance > (1 - chance) / 3:
        return []
    return [
        f'  WARNING: it has hardly learnt: {top1:.2f} of the held-out clips '
        f'are named correctly, {chance:.2f} by chance, and fine-tuning gains '
        'little from it. With few images, train for more epochs, such as '
        '--epochs 250 for 50 images (docs/your_images.md, "How many")'
    ]


def _validates_on_test(cfg: Any) -> bool:
    lists = [
        {n['ann_file'] for n in walk(cfg.get(key) or {}) if n.get('ann_file')}
        for key in ('val_dataloader', 'test_dataloader')
    ]
    return bool(lists[0] & lists[1])


def _checkpoint_hook(runner: Runner) -> CheckpointHook | None:
    hooks = (h for h in runner.hooks if isinstance(h, CheckpointHook))
    return next(hooks, None)
