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
from mmengine.runner import Runner

from ..checkpoints.resume import find_resume
from ..checkpoints.weights import unwrap_model
from ..config.walk import walk
from ..media.decoder_client import video_decoder
from .errors import variables

#: Beginnings of records that go only to the log file.
_TO_FILE = (
    '\n' + '-' * 60,  # the environment
    'Config:\n',
    'Hooks will be executed in the following order:',
    'paramwise_options -- ',
    'Exp name: ',
    'Checkpoints will be saved to ',
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)


class _Screen(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(_TO_FILE)


class ToolRunner(Runner):
    """MMEngine's Runner, whose long records go only to the log file."""

    def build_logger(self, *args: Any, **kwargs: Any) -> Any:
        """Build the logger, and filter what is printed."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_Screen())
        return logger


def summarize(runner: Runner) -> str:
    """Describe a training run that is about to start, in about ten lines."""
    rows = list(_rows(runner))
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
                f'{_data(runner.val_loop.dataloader.dataset)}; every '
                f'{loop.val_interval} epochs'
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
    yield (
        'batch',
        (
            f'{size} samples{of}; {loop.max_iters} steps in '
            f'{getattr(loop, "max_epochs", 1)} epochs'
        ),
    )
    optimizer = cfg.optim_wrapper.get('optimizer') or {}
    yield (
        'optimizer',
        (f'{optimizer.get("type")}, learning rate {optimizer.get("lr")}'),
    )
    yield 'device', _device(loader.num_workers)
    steps = {node.get('type') for node in walk(cfg.train_dataloader)}
    if steps & {'VideoInit', 'LoadSourceFrame'}:
        yield 'decoder', f'{" ".join(video_decoder()).strip()} for videos'
    yield 'work dir', f'{runner.work_dir}; log: {runner.log_dir}'


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


def conclude(runner: Runner) -> str:
    """Say how a training run ended, and what to run next."""
    scalars = runner.message_hub.log_scalars
    found = [
        f'{name.removeprefix("val/")} {buffer.current():.4f}'
        for name, buffer in scalars.items()
        if name.startswith('val/') and name.endswith('/top1')
    ]
    path = find_resume(runner.work_dir) or runner.work_dir
    best = getattr(_checkpoint_hook(runner), 'best_ckpt_path', None)
    config = osp.join(runner.work_dir, osp.basename(runner.cfg.filename))
    lines = [f'done: {", ".join(found) or "not validated"}; {path}']
    if best:
        lines.append(f'  the best checkpoint: {best}')
    if runner.cfg.get('test_evaluator') is not None:
        test = ['python', '-m', 'mosi_mmaction', 'test', config, path]
        lines.append(
            f'  to test it: {" ".join([*variables(), shlex.join(test)])}'
        )
    if type(
        getattr(unwrap_model(runner.model), 'cls_head', None)
    ).__name__ == ('MoSIHead'):
        lines.append(
            f'  to fine-tune it: MOSI_PRETRAINED={shlex.quote(path)} python '
            '-m mosi_mmaction train CONFIG, such as the finetune.py that '
            'data/split_videos writes'
        )
    return '\n'.join(lines)


def _checkpoint_hook(runner: Runner) -> Any:
    return next(
        (h for h in runner.hooks if hasattr(h, 'best_ckpt_path')), None
    )
