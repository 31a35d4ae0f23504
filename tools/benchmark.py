"""Measure the speed of what this package adds, compared with alternatives.

    python tools/benchmark.py render [--official DIR]
    python tools/benchmark.py pipeline --images DIR
    python tools/benchmark.py train
    python tools/benchmark.py index --n 14200000
    python tools/benchmark.py video [--videos FILE ...]
    python tools/benchmark.py layers

Every case prints one JSON line to stdout; progress goes to stderr. The cases
of a run take turns in each repeat, and `ratio` compares their medians with the
named lower bound or alternative of the same run, so that a slow or busy
machine affects both. `render`, `pipeline` and, without a GPU, the recipes of
`train` count the time of one core (CPU time of a process with one thread).
"""

import argparse
import sys
from importlib import import_module
from types import ModuleType

from mosi_mmaction.cli.start import start

#: Title of every case, a module of mosi_mmaction.benchmarks.
CASES = dict(
    render='drawing and rendering',
    pipeline='file to packed sample',
    train='data wait; fast recipe',
    index='very many images',
    video='reading videos',
    layers='clips beyond the paper',
)


def case(name: str) -> ModuleType:
    """Import the module of a case, which takes seconds."""
    import_module('mosi_mmaction.public')
    return import_module(f'mosi_mmaction.benchmarks.{name}')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n')[0],
        epilog='One JSON line per case; see docs/benchmarks.md.',
    )
    commands = parser.add_subparsers(dest='bench', required=True)
    given = sys.argv[1:] if argv is None else argv
    for name, title in CASES.items():
        command = commands.add_parser(name, help=title)
        if name in given:
            case(name).add_arguments(command)
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

import cv2
import torch

from mosi_mmaction.benchmarks.train import quiet


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    quiet()
    cv2.setNumThreads(1)
    if args.bench in ('render', 'pipeline', 'video', 'layers'):
        torch.set_num_threads(1)
    case(args.bench).bench(args)


if __name__ == '__main__':
    main()
