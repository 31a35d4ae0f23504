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

import cv2
import torch

from mosi_mmaction.benchmarks import (
    index,
    layers,
    pipeline,
    render,
    train,
    video,
)
from mosi_mmaction.benchmarks.train import quiet

#: Module and title of every case.
CASES = dict(
    render=(render, 'drawing and rendering'),
    pipeline=(pipeline, 'file to packed sample'),
    train=(train, 'data wait; fast recipe'),
    index=(index, 'very many images'),
    video=(video, 'reading videos'),
    layers=(layers, 'clips beyond the paper'),
)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n')[0],
        epilog='One JSON line a case; see docs/benchmarks.md.',
    )
    commands = parser.add_subparsers(dest='bench', required=True)
    for name, (module, title) in CASES.items():
        module.add_arguments(commands.add_parser(name, help=title))
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    quiet()
    cv2.setNumThreads(1)
    if args.bench in ('render', 'pipeline', 'video', 'layers'):
        torch.set_num_threads(1)
    CASES[args.bench][0].bench(args)


if __name__ == '__main__':
    main()
