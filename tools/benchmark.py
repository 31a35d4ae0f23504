"""Measure the speed of what this package adds, each thing against a peer.

    python tools/benchmark.py render [--official DIR]
    python tools/benchmark.py pipeline --images DIR
    python tools/benchmark.py train
    python tools/benchmark.py index --n 14200000
    python tools/benchmark.py video [--videos FILE ...]
    python tools/benchmark.py layers

Every case prints one JSON line to stdout; progress goes to stderr. Cases of
one run take turns in each repeat, and `ratio` compares their medians with
the named floor or peer of that same run, so that a slow or busy machine
moves both. `render`, `pipeline` and, without a GPU, the recipes of `train`
count the time of one core (CPU time of a process with one thread).
"""

import argparse
import importlib
import itertools
import json
import multiprocessing
import os
import os.path as osp
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.utils import ProgressBar
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from mosi_mmaction import (
    ColorJitter,
    LabelPool,
    PseudoMotion,
    SourceImageDataset,
    config_path,
    draw_color_jitter,
    draw_motion,
    draw_static_mask,
    mosi_collate,
    render,
)
from mosi_mmaction.benchmarks.arrival import Arrival
from mosi_mmaction.config.pretraining import render_on_device
from mosi_mmaction.config.running import fast_recipe
from mosi_mmaction.datasets.samplers.epoch_sampler import EpochIndex
from mosi_mmaction.engine.autocast import cpu_has_bfloat16
from mosi_mmaction.engine.hooks.fast_model import FastModelHook
from mosi_mmaction.media.paths import IMAGE_EXTENSIONS, extension
from mosi_mmaction.method.render_torch import render_batch


def report(bench: str, case: str, **values: Any) -> None:
    """Print one case as a JSON line."""
    values = {
        k: float(f'{v:.4g}') if isinstance(v, float) else v
        for k, v in values.items()
    }
    print(json.dumps(dict(bench=bench, case=case, **values)), flush=True)


def take_turns(
    cases: dict[str, Callable],
    repeats: int,
    clock: Callable = time.process_time,
) -> dict[str, float]:
    """Time cases in turn, after one round of warm-up.

    Args:
        cases: Functions without arguments, by name.
        repeats: Number of rounds that count.
        clock: Returns seconds.

    Returns:
        Median time of every case in seconds.
    """
    return medians(
        {name: partial(seconds, run, clock) for name, run in cases.items()},
        repeats,
    )


def seconds(run: Callable, clock: Callable) -> float:
    """Return how long a function takes."""
    start = clock()
    run()
    return clock() - start


def medians(cases: dict[str, Callable], repeats: int) -> dict[str, float]:
    """Do as :func:`take_turns` with functions that return their seconds."""
    times = {name: [] for name in cases}
    bar = ProgressBar(repeats + 1, bar_width=30, file=sys.stderr)
    for _ in range(repeats + 1):
        for name, measure in cases.items():
            times[name].append(measure())
        bar.update()
    print(file=sys.stderr)
    return {k: statistics.median(v[1:]) for k, v in times.items()}


# render


def draw(
    rng: np.random.Generator,
    num_speeds: int = 5,
    clip_len: int = 16,
    mask: bool = True,
    jitter: bool = True,
) -> PseudoMotion:
    """Draw a plan at the size of the paper."""
    plan = draw_motion(LabelPool(num_speeds), 320, 112, clip_len, rng)
    if mask:
        plan = draw_static_mask(plan, (0.3, 0.5), rng=rng)
    return draw_color_jitter(plan, ColorJitter(), rng) if jitter else plan


def bench_render(args: argparse.Namespace) -> None:
    """Time drawing and rendering against one copy of the same bytes."""
    if args.official:
        load_official(args.official)  # before minutes of other cases
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (320, 320, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 3)

    def group(variants: dict[str, dict]) -> dict[str, Callable]:
        cases = {}
        for name, options in variants.items():
            clips = render(image, draw(rng, **options))
            cases[name, 'copy'] = clips.copy
            cases[name, 'over'] = partial(np.copyto, clips.copy(), clips)
            cases[name, 'made'] = lambda o=options: render(
                image, draw(rng, **o)
            )
        return cases

    variants = {
        'plain': dict(mask=False, jitter=False),
        'mask': dict(jitter=False),
        'jitter': dict(mask=False),
        'mask+jitter': dict(),
    }
    for speeds in (3, 5, 7, 9):
        variants[f'mask+jitter, {speeds} speeds'] = dict(num_speeds=speeds)
    for frames in (8, 16, 32, 64):
        variants[f'mask+jitter, {frames} frames'] = dict(clip_len=frames)
    times = take_turns(group(variants), args.repeats)
    for name, options in variants.items():
        plan = draw(rng, **options)
        copy, made = times[name, 'copy'], times[name, 'made']
        report(
            'render',
            name,
            ms=made * 1e3,
            copy_ms=copy * 1e3,
            ratio=made / copy,
            peer='copy of the clips',
            ratio_without_allocation=made / times[name, 'over'],
            us_per_frame=made * 1e6 / plan.offsets[..., 0].size,
            clips=len(plan.pool),
            frames=plan.clip_len,
            repeats=args.repeats,
        )
    bench_render_batch(args, image, rng)
    if args.official:
        bench_official(args, image, rng)


def bench_render_batch(
    args: argparse.Namespace, image: np.ndarray, rng: np.random.Generator
) -> None:
    """Time the device's renderer on a batch that is there already."""
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    batch = args.batch if device.type == 'cuda' else 1
    images = torch.from_numpy(np.stack([image] * batch)).to(device)

    def on_device() -> None:
        plans = [draw(rng) for _ in range(batch)]
        render_batch(images.movedim(-1, 1), plans)
        if device.type == 'cuda':
            torch.cuda.synchronize()

    def in_worker() -> None:
        for _ in range(batch):
            render(image, draw(rng))

    times = take_turns(
        dict(device=on_device, worker=in_worker),
        args.repeats,
        time.perf_counter,
    )
    report(
        'render',
        f'mask+jitter, render_batch on {device.type}',
        ms=times['device'] * 1e3,
        worker_ms=times['worker'] * 1e3,
        ratio=times['device'] / times['worker'],
        peer='render, one core',
        images=batch,
        repeats=args.repeats,
    )


def load_official(folder: str) -> Any:
    """Import the generator of a local clone of the authors' release.

    Raises:
        FileNotFoundError: If there is none in the folder.
        ImportError: If it does not import, as a rule for want of a
            torchvision that fits this torch.
    """
    clone = Path(folder).resolve()
    found = sorted(clone.rglob('mosi_generator.py'))
    if not found:
        raise FileNotFoundError(
            f'--official: there is no mosi_generator.py below {clone}; '
            'clone alibaba-mmai-research/TAdaConv'
        )
    sys.path.insert(0, str(clone))
    name = '.'.join(found[0].relative_to(clone).with_suffix('').parts)
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        # A CUDA build of torchvision beside a CPU torch is a RuntimeError.
        raise ImportError(
            f'--official: {found[0]} does not import: {error}. It needs a '
            f'torchvision built for torch {torch.__version__}: of the same '
            'release, and from the same index (CPU or CUDA)'
        ) from error


def bench_official(
    args: argparse.Namespace, image: np.ndarray, rng: np.random.Generator
) -> None:
    """Time the generator of the authors' release from a local clone."""
    module = load_official(args.official)
    generator = module.MoSIGenerator(official_config(), 'train')
    video = torch.from_numpy(image)[None]
    # It works in place: data['video'] is replaced by the clips.
    times = take_turns(
        {
            'official': lambda: generator(dict(video=video.clone()), 0),
            'ours': lambda: render(image, draw(rng)),
        },
        args.repeats,
    )
    report(
        'render',
        "mask+jitter, authors' release",
        ms=times['official'] * 1e3,
        ours_ms=times['ours'] * 1e3,
        ratio=times['official'] / times['ours'],
        peer='render, one core',
        repeats=args.repeats,
    )


def official_config() -> SimpleNamespace:
    """Return the settings of the paper as the release reads them."""
    return SimpleNamespace(
        DATA=SimpleNamespace(
            TRAIN_CROP_SIZE=112, MEAN=[0.45] * 3, STD=[0.225] * 3
        ),
        VIDEO=SimpleNamespace(HEAD=SimpleNamespace(NUM_CLASSES=5)),
        PRETRAIN=SimpleNamespace(
            DISTANCE_JITTER=[1, 1],
            LABEL_MODE='joint',
            NUM_FRAMES=16,
            STATIC_MASK=True,
            ASPECT_RATIO=[1, 1],
            MASK_SIZE_RATIO=[0.3, 0.5],
            DECOUPLE=True,
            DATA_MODE='xy',
            ZERO_OUT=False,
            FRAME_SIZE_STANDARDIZE_ENABLE=True,
            STANDARD_SIZE=320,
        ),
        AUGMENTATION=SimpleNamespace(
            COLOR_AUG=True,
            BRIGHTNESS=0.5,
            CONTRAST=0.5,
            SATURATION=0.5,
            HUE=0.25,
            GRAYSCALE=0.3,
            CONSISTENT=False,
            SHUFFLE=True,
            GRAY_FIRST=True,
        ),
    )


# pipeline


def bench_pipeline(args: argparse.Namespace) -> None:
    """Time the way from file to packed sample against bare decoding.

    Raises:
        FileNotFoundError: If the folder holds no image.
    """
    if not osp.isdir(args.images):
        raise FileNotFoundError(f'--images: there is no folder {args.images}')
    names = sorted(
        n for n in os.listdir(args.images) if extension(n) in IMAGE_EXTENSIONS
    )[: args.limit]
    if not names:
        raise FileNotFoundError(f'--images: no image file in {args.images}')
    paths = [osp.join(args.images, n) for n in names]

    def bare(path: str) -> None:
        image = cv2.imread(path)
        side = min(image.shape[:2])
        method = cv2.INTER_AREA if side > 320 else cv2.INTER_LINEAR
        cv2.resize(image[:side, :side], (320, 320), interpolation=method)

    def pillow(path: str) -> None:
        image = Image.open(path).convert('RGB')
        side = min(image.size)
        np.asarray(
            image.resize(
                (320, 320), Image.Resampling.BILINEAR, (0, 0, side, side)
            )
        )

    def visit(get: Callable, keys: Iterable) -> None:
        for key in keys:  # one at a time: a worker sends what it has made
            get(key)

    cases = {
        'bare': partial(visit, bare, paths),
        'pillow': partial(visit, pillow, paths),
    }
    for name, change in (('worker', None), ('device', render_on_device)):
        dataset = packed_dataset(args.images, names, change)
        indices = [EpochIndex(i, 0, 0) for i in range(len(names))]
        cases[name] = partial(visit, dataset.__getitem__, indices)
    times = take_turns(cases, args.repeats)
    for name, title in (
        ('bare', 'decode and resize'),
        ('pillow', 'decode and resize, Pillow'),
        ('worker', 'packed sample, rendered in the worker'),
        ('device', 'packed sample, rendered on the device'),
    ):
        report(
            'pipeline',
            title,
            images_per_second=len(paths) / times[name],
            ms=times[name] / len(paths) * 1e3,
            ratio=times['bare'] / times[name],
            peer='decode and resize',
            ratio_pillow=times['pillow'] / times[name],
            images=len(paths),
            repeats=args.repeats,
        )
    bench_arrival(args, names, cases['bare'])


def bench_arrival(
    args: argparse.Namespace, names: list[str], bare: Callable
) -> None:
    """Time what a data loader delivers: worker, collate, transfer."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (320, 320, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(noise, (0, 0), 3)
    changes = dict(worker=None, device=render_on_device)
    loaders = {
        name: Arrival(
            packed_dataset(args.images, names, change),
            (EpochIndex(i % len(names), 0, 0) for i in itertools.count()),
            args.batch,
        )
        for name, change in changes.items()
    }
    batches = max(1, len(names) // args.batch)
    found: dict[str, list] = {name: [] for name in (*loaders, 'bare', 'clips')}
    for _ in range(args.repeats):
        found['bare'].append(seconds(bare, time.process_time) / len(names))
        rendering = partial(render_some, image, rng)
        found['clips'].append(seconds(rendering, time.process_time) / 20)
        for name, loader in loaders.items():
            found[name].append(loader.measure(batches))
    floor = statistics.median(found['bare'])
    rendered = statistics.median(found['clips'])
    for name, loader in loaders.items():
        loader.close()
        worker, trainer = (
            statistics.median(times) for times in zip(*found[name])
        )
        report(
            'pipeline',
            f'in the trainer, rendered {where(name)}',
            images_per_second=1 / worker,
            ms=worker * 1e3,
            trainer_ms=trainer * 1e3,
            ratio=floor / worker,
            peer='decode and resize',
            bare_ms=floor * 1e3,
            render_ms=rendered * 1e3,
            times_rendering=worker / rendered,
            images=batches * args.batch,
            repeats=args.repeats,
        )


def where(name: str) -> str:
    """Return where a case renders, in words."""
    return 'in the worker' if name == 'worker' else 'on the device'


def render_some(image: np.ndarray, rng: np.random.Generator) -> None:
    """Draw and render 20 images."""
    for _ in range(20):
        render(image, draw(rng))


def packed_dataset(
    folder: str, names: list[str], change: Callable | None
) -> SourceImageDataset:
    """Return the data set of the photograph config, over some files."""
    cfg = Config.fromfile(config_path('mosi_r2p1d_imagenet'))
    if change is not None:
        change(cfg)
    with tempfile.NamedTemporaryFile('w', suffix='.txt') as file:
        file.write('\n'.join(names))
        file.flush()
        return SourceImageDataset(
            folder,
            ann_file=file.name,
            bad_files='raise',
            pipeline=cfg.train_dataloader.dataset.pipeline,
        )


# train


def quiet() -> None:
    """Keep logs from stdout, which holds nothing but JSON."""
    MMLogger.get_current_instance().setLevel('ERROR')


def bench_train(args: argparse.Namespace) -> None:
    """Time the wait for data, and the fast recipe against the stock one."""
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

    Means, as a rare long wait counts as what it costs. An epoch's first
    batches, which start the workers, do not count.
    """
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    if len(loader) < steps + 3:
        raise ValueError(
            f'--steps: the tiny config has {len(loader)} steps '
            'an epoch, of which 3 are warm-up'
        )
    step, times = stepper(cfg), []
    batches = iter(loader)
    bar = ProgressBar(steps + 3, bar_width=30, file=sys.stderr)
    for _ in range(steps + 3):
        start = time.perf_counter()
        batch = next(batches)
        waited = time.perf_counter()
        step(batch)
        times.append((waited - start, time.perf_counter() - start))
        bar.update()
    print(file=sys.stderr)
    waits, wholes = zip(*times[3:])
    return dict(wait=statistics.mean(waits), step=statistics.mean(wholes))


def bench_recipes(args: argparse.Namespace) -> None:
    """Time full-size R(2+1)D-10 with every part of the fast recipe.

    Each recipe has a process of its own, as one changes how memory is kept.
    On a CPU they take turns; on a GPU one at a time has the memory.
    """
    on_gpu = torch.cuda.is_available()
    recipes = ['stock', 'fast'] + ['fast, compiled'] * args.compile
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


def recipe_worker(pipe: Any, name: str, batch_size: int) -> None:
    """Take a step of a recipe, and send its seconds, for each True sent."""
    quiet()
    init_default_scope('mmaction')
    cfg = Config.fromfile(config_path('mosi_r2p1d_imagenet'))
    if name != 'stock':
        fast_recipe(cfg, compile='compiled' in name)
    if 'on the device' in name:
        render_on_device(cfg)
    on_gpu = torch.cuda.is_available()
    # As the configs have it; benchmarking kernels is part of the warm-up.
    torch.backends.cudnn.benchmark = on_gpu
    if not on_gpu:
        torch.set_num_threads(1)  # the time of one core, as elsewhere
    images = batch_size if on_gpu else 1
    pool = {} if on_gpu else dict(num_speeds=3, axes='x')  # 9 or 3 clips
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
    """Return card, peak memory, and what the use of it is computed from.

    The peak is what a large bfloat16 matrix product reaches on this card,
    not what its maker states.
    """
    memory = torch.cuda.max_memory_allocated()
    a = torch.randn(8192, 8192, device='cuda', dtype=torch.bfloat16)

    def product() -> None:
        a @ a
        sync()

    product()
    best = min(seconds(product, time.perf_counter) for _ in range(10))
    return dict(
        card=torch.cuda.get_device_name(),
        peak_memory_gb=memory / 1e9,
        tflop=teraflop(step),
        peak=2 * len(a) ** 3 / best / 1e12,
    )


def teraflop(run: Callable) -> float:
    """Return 10^12 floating-point operations of a function, by torch."""
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


# index


def pss() -> int:
    """Return the memory of this process in bytes; shared pages in parts."""
    with open('/proc/self/smaps_rollup') as file:
        [line] = [x for x in file if x.startswith('Pss:')]
    return int(line.split()[1]) * 1024


def bench_index(args: argparse.Namespace) -> None:
    """Measure memory and start of a data set of very many images."""
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        cv2.imwrite(
            osp.join(folder, 'first.jpg'),
            rng.integers(0, 256, (400, 500, 3), dtype=np.uint8),
        )
        write_list(osp.join(folder, 'list.txt'), args.n)
        before = pss()
        start, cpu_start = time.perf_counter(), time.process_time()
        cfg = Config.fromfile(config_path('mosi_r2p1d_imagenet'))
        dataset = SourceImageDataset(
            folder,
            ann_file='list.txt',
            pipeline=cfg.train_dataloader.dataset.pipeline,
        )
        listed = time.perf_counter() - start
        dataset[0]
        first = time.perf_counter() - start
        cpu = time.process_time() - cpu_start
    resident = pss() - before
    some = range(0, len(dataset), max(1, len(dataset) // 1000))
    report(
        'index',
        'resident',
        n=len(dataset),
        bytes=resident,
        bytes_per_image=resident / len(dataset),
        bytes_of_a_path=statistics.mean(len(dataset.paths[i]) for i in some),
    )
    report(
        'index',
        'first sample',
        n=len(dataset),
        seconds=first,
        cpu_seconds=cpu,
        list_seconds=listed,
    )
    alone = pss()
    together = sum(with_workers(dataset, args.workers))
    report(
        'index',
        f'{args.workers} workers',
        n=len(dataset),
        bytes=together - alone,
        alone_bytes=alone,
        ratio=(together - alone) / alone,
        peer='one process',
    )


def write_list(path: str, number: int) -> None:
    """Write a list of images named as in ImageNet; only the first exists."""
    bar = ProgressBar(20, bar_width=30, file=sys.stderr)
    with open(path, 'w') as file:
        file.write('first.jpg\n')
        for part in np.array_split(np.arange(1, number), 20):
            file.writelines(
                f'n{i // 1300:08d}/n{i // 1300:08d}_{i}.JPEG\n'
                for i in part.tolist()
            )
            bar.update()
    print(file=sys.stderr)


def with_workers(dataset: SourceImageDataset, number: int) -> list[int]:
    """Return the PSS of this process and of forked workers at their work.

    Each worker asks for paths all over the index and loads one sample.
    """
    context = multiprocessing.get_context('fork')
    ready, done = context.Barrier(number + 1), context.Event()
    queue = context.SimpleQueue()

    def work(seed: int) -> None:
        torch.set_num_threads(1)
        rng = np.random.default_rng(seed)
        for i in rng.integers(len(dataset), size=100_000).tolist():
            dataset.get_data_info(i)
        ready.wait()
        queue.put(pss())
        done.wait()

    workers = [
        context.Process(target=work, args=(i,), daemon=True)
        for i in range(number)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    sizes = [queue.get() for _ in workers] + [pss()]
    done.set()
    for worker in workers:
        worker.join()
    return sizes


def bench_video(args: argparse.Namespace) -> None:
    """Time reading videos against MMAction2's decord."""
    from mosi_mmaction.benchmarks.video import bench_video

    init_default_scope('mmaction')
    bench_video(args, report, medians)


def bench_layers(args: argparse.Namespace) -> None:
    """Time clips of layers against plain copies."""
    from mosi_mmaction.benchmarks.layers import bench_layers

    bench_layers(args, report, medians)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n')[0],
        epilog='One JSON line a case; see docs/benchmarks.md.',
    )
    commands = parser.add_subparsers(dest='bench', required=True)
    one = commands.add_parser('render', help='drawing and rendering')
    one.add_argument(
        '--official',
        metavar='DIR',
        help="local clone of the authors' TAdaConv",
    )
    one.add_argument('--repeats', type=int, default=30)
    one.add_argument(
        '--batch', type=int, default=10, help='source images a batch on a GPU'
    )
    two = commands.add_parser('pipeline', help='file to packed sample')
    two.add_argument(
        '--images', metavar='DIR', required=True, help='folder of photographs'
    )
    two.add_argument(
        '--limit', type=int, default=100, help='use only this many'
    )
    two.add_argument('--repeats', type=int, default=7)
    two.add_argument(
        '--batch', type=int, default=10, help='source images a batch'
    )
    three = commands.add_parser('train', help='data wait; fast recipe')
    three.add_argument('--workers', type=int, default=2)
    three.add_argument('--steps', type=int, default=30)
    three.add_argument('--repeats', type=int, default=5)
    three.add_argument(
        '--batch', type=int, default=10, help='source images a step on a GPU'
    )
    three.add_argument(
        '--only',
        choices=['wait', 'recipes'],
        help='one of the two halves; default: both',
    )
    three.add_argument(
        '--compile',
        action='store_true',
        help='time the fast recipe with torch.compile too',
    )
    four = commands.add_parser('index', help='very many images')
    four.add_argument(
        '--n',
        type=int,
        default=14_200_000,
        help='number of images in the list',
    )
    four.add_argument('--workers', type=int, default=4)
    five = commands.add_parser('video', help='reading videos')
    five.add_argument(
        '--videos',
        metavar='FILE',
        nargs='+',
        help='videos to read; default: some are drawn',
    )
    five.add_argument('--repeats', type=int, default=15)
    six = commands.add_parser('layers', help='clips beyond the paper')
    six.add_argument('--repeats', type=int, default=15)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    quiet()
    cv2.setNumThreads(1)
    if args.bench in ('render', 'pipeline', 'video', 'layers'):
        torch.set_num_threads(1)
    globals()[f'bench_{args.bench}'](args)


if __name__ == '__main__':
    main()
