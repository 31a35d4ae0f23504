"""The case `train` of benchmark.py: waiting for data, and the recipes."""

import argparse
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from ..config.lookup import config_path
from ..config.pretraining import render_on_device
from ..config.running import fast_recipe
from ..engine.autocast import cpu_has_bfloat16
from ..engine.hooks.fast_model import FastModelHook
from ..method.motion import LabelPool
from ..structures.batch import mosi_collate
from .timing import medians, report, seconds

#: Switches that each make a recipe of their own: what they set in a config.
SWITCHES: dict[str, dict[str, Any]] = {
    'fold everywhere': {'default_hooks.fast.fold': 'everywhere'},
    'folded pools': {'default_hooks.fast.fold_pools': True},
    'padded widths': {'default_hooks.fast.pad_widths': True},
    'fused Adam': {'optim_wrapper.optimizer.fused': True},
    'bfloat16 clips': {'model.data_preprocessor.dtype': 'bfloat16'},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this case."""
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--steps', type=int, default=30)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument(
        '--batch',
        type=int,
        default=10,
        help='number of source images per step on a GPU',
    )
    parser.add_argument(
        '--only',
        choices=['wait', 'recipes'],
        help='part of the case to run (default: both)',
    )
    parser.add_argument(
        '--compile',
        action='store_true',
        help='also time the fast recipe with torch.compile',
    )
    parser.add_argument(
        '--switches',
        action='store_true',
        help='also time the fast recipe with each switch in '
        'docs/benchmarks.md',
    )


def quiet() -> None:
    """Keep logs out of stdout, which is for JSON only."""
    MMLogger.get_current_instance().setLevel('ERROR')


def bench(args: argparse.Namespace) -> None:
    """Time waiting for data, and the fast recipe against the stock one."""
    init_default_scope('mmaction')
    if args.only != 'recipes':
        bench_wait(args)
    if args.only != 'wait':
        bench_recipes(args)


def bench_wait(args: argparse.Namespace) -> None:
    """Time the wait for data of the tiny config."""
    cfg = Config.fromfile(config_path('tiny/mosi_r2p1d_deadleaves'))
    cfg.train_dataloader.num_workers = args.workers
    wait = data_wait(cfg, args.steps)
    report(
        'train',
        f'waiting for data, tiny, {args.workers} workers',
        ratio=wait['wait'] / wait['step'],
        peer='step',
        **{f'{k}_ms': v * 1e3 for k, v in wait.items()},
        steps=args.steps,
        threads=torch.get_num_threads(),
    )


def sync() -> None:
    """Wait for the device, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def stepper(cfg: Config) -> Callable[[dict], None]:
    """Build model and optimizer; return the function of one step."""
    from mmaction.registry import MODELS

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = MODELS.build(cfg.model)
    model.init_weights()
    model.to(device).train()
    hook = dict(cfg.default_hooks.get('fast') or {})
    if hook.pop('type', None) == 'FastModelHook':
        FastModelHook(**hook).before_run(SimpleNamespace(model=model))
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)

    def step(batch: dict) -> None:
        model.train_step(batch, optim_wrapper)
        sync()

    return step


def data_wait(cfg: Config, steps: int) -> dict[str, float]:
    """Return mean seconds of a whole step and of the wait within it.

    Means, so that a rare long wait counts with its full cost. The first
    batches of an epoch, which start the workers, do not count.
    """
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    if len(loader) < steps + 3:
        raise ValueError(
            f'--steps: the tiny config has {len(loader)} steps '
            'per epoch, of which 3 are warm-up'
        )
    step, times = stepper(cfg), []
    batches = iter(loader)
    for _ in tqdm(range(steps + 3), 'steps'):
        start = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter()
        step(batch)
        times.append((waited - start, time.perf_counter() - start))
    waits, wholes = zip(*times[3:])
    return dict(wait=statistics.mean(waits), step=statistics.mean(wholes))


def bench_recipes(args: argparse.Namespace) -> None:
    """Time full-size R(2+1)D-10 with every part of the fast recipe.

    Each recipe has its own process, because one of them changes how memory is
    kept. On a CPU they take turns; on a GPU one at a time uses the memory.
    """
    on_gpu = torch.cuda.is_available()
    recipes = ['stock', 'fast'] + ['fast, compiled'] * args.compile
    if args.switches:
        recipes += [f'fast, {name}' for name in SWITCHES]
    if on_gpu:
        recipes += ['fast, rendered on the device']
    context = multiprocessing.get_context('spawn')
    times, facts = {}, {}
    for group in [[name] for name in recipes] if on_gpu else [recipes]:
        pipes, workers = {}, []
        for name in group:
            pipes[name], end = context.Pipe()
            workers.append(
                context.Process(
                    target=recipe_worker,
                    args=(end, name, args.batch),
                    daemon=True,
                )
            )
            workers[-1].start()
            end.close()
        facts.update({name: pipe.recv() for name, pipe in pipes.items()})
        times.update(
            medians(
                {name: partial(ask, pipe) for name, pipe in pipes.items()},
                args.repeats,
            )
        )
        for (name, pipe), worker in zip(pipes.items(), workers):
            pipe.send(False)
            facts[name].update(pipe.recv())
            worker.join()
    for name, time_of_a_step in times.items():
        tflop, peak = (facts[name].pop(k, None) for k in ('tflop', 'peak'))
        if tflop and peak:
            facts[name]['mfu'] = tflop / time_of_a_step / peak
            facts[name]['peak_tflops'] = peak
        report(
            'train',
            f'R(2+1)D-10, {name}',
            ms=time_of_a_step * 1e3,
            ratio=times['stock'] / time_of_a_step,
            peer='stock',
            clips_per_second=facts[name]['clips'] / time_of_a_step,
            repeats=args.repeats,
            **facts[name],
        )


def ask(pipe: Any) -> float:
    """Let a :func:`recipe_worker` take a step; return its seconds."""
    pipe.send(True)
    return pipe.recv()


def recipe(name: str) -> Config:
    """Return the full-size config of a recipe."""
    cfg = Config.fromfile(config_path('mosi_r2p1d_imagenet'))
    if name == 'stock':
        return cfg
    _, _, change = name.partition(', ')
    fast_recipe(cfg, compile=change == 'compiled')
    if change == 'rendered on the device':
        render_on_device(cfg)
    cfg.merge_from_dict(SWITCHES.get(change, {}))
    return cfg


def recipe_worker(pipe: Any, name: str, batch_size: int) -> None:
    """Take a step of a recipe, and send its seconds, for each True sent."""
    quiet()
    init_default_scope('mmaction')
    cfg = recipe(name)
    on_gpu = torch.cuda.is_available()
    # As in the configs; benchmarking kernels is part of the warm-up.
    torch.backends.cudnn.benchmark = on_gpu
    if not on_gpu:
        torch.set_num_threads(1)  # the time of one core, as elsewhere
    images = batch_size if on_gpu else 1
    pool: dict[str, Any] = {}  # 9 clips
    if not on_gpu:
        pool = dict(num_speeds=3, axes='x')  # 3 clips
    cfg.model.cls_head.update(pool)
    noise = np.random.default_rng(0).integers(
        0, 256, (320, 320, 3), dtype=np.uint8
    )
    pipeline = [
        s
        for s in cfg.train_dataloader.dataset.pipeline
        if s['type'] not in ('SeedSample', 'LoadSourceFrame')
    ]
    batch = mosi_collate([pack(pipeline, noise, pool) for _ in range(images)])
    if on_gpu:
        batch['inputs'] = batch['inputs'].pin_memory()
    step = stepper(cfg)
    pipe.send(
        dict(
            images=images,
            clips=images * len(LabelPool(**pool)),
            device='cuda' if on_gpu else 'cpu',
            bf16_instructions=on_gpu or cpu_has_bfloat16(),
            threads=torch.get_num_threads(),
        )
    )
    clock = time.perf_counter if on_gpu else time.process_time
    while pipe.recv():
        pipe.send(seconds(partial(step, batch), clock))
    pipe.send(gpu_facts(partial(step, batch)) if on_gpu else {})


def gpu_facts(step: Callable) -> dict:
    """Return card, peak memory, waits, and the figures of utilisation.

    Waits are calls in a step after which the CPU was idle until the device
    had caught up, except for the call that ends the step.

    The peak is the speed of a large bfloat16 matrix product on this card, not
    the manufacturer's figure.
    """
    memory = torch.cuda.max_memory_allocated()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        torch.cuda.set_sync_debug_mode('warn')
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode('default')
    a = torch.randn(8192, 8192, device='cuda', dtype=torch.bfloat16)

    def product() -> None:
        a @ a
        sync()

    product()
    best = min(seconds(product, time.perf_counter) for _ in range(10))
    return dict(
        card=torch.cuda.get_device_name(),
        peak_memory_gb=memory / 1e9,
        waits=sum('synchroniz' in str(w.message) for w in caught),
        tflop=teraflop(step),
        peak=2 * len(a) ** 3 / best / 1e12,
    )


def teraflop(run: Callable) -> float:
    """Return the teraflop of a function, as counted by torch."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e12


def pack(pipeline: list, image: np.ndarray, pool: dict) -> dict:
    """Run the pipeline of a config over one image."""
    from mmaction.registry import TRANSFORMS

    results = dict(img=image, rng=np.random.default_rng(0))
    for step in pipeline:
        if step['type'] == 'DrawPseudoMotion':
            step = dict(step, **pool)
        results = TRANSFORMS.build(step)(results)
    return results
