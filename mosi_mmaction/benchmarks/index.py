"""The case `index` of benchmark.py: a dataset of very many images."""

import argparse
import multiprocessing
import os.path as osp
import statistics
import tempfile
import time

import cv2
import numpy as np
import torch
from mmengine.config import Config
from tqdm import tqdm

from ..config.lookup import config_path
from ..datasets.source_image import SourceImageDataset
from .timing import pss, report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this case."""
    parser.add_argument(
        '--n',
        type=int,
        default=14_200_000,
        help='number of images in the list',
    )
    parser.add_argument('--workers', type=int, default=4)


def bench(args: argparse.Namespace) -> None:
    """Measure memory and startup of a dataset of very many images."""
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
    with open(path, 'w') as file:
        file.write('first.jpg\n')
        for part in tqdm(np.array_split(np.arange(1, number), 20), 'list'):
            file.writelines(
                f'n{i // 1300:08d}/n{i // 1300:08d}_{i}.JPEG\n'
                for i in part.tolist()
            )


def with_workers(dataset: SourceImageDataset, number: int) -> list[int]:
    """Return the PSS of this process and of running forked workers.

    Each worker reads paths from all over the index and loads one sample.
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
