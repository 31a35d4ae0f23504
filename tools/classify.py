#!/usr/bin/env python
"""Classify videos with a fine-tuned checkpoint.

    python tools/classify.py CHECKPOINT VIDEO... [--classes FILE] [--top N]

VIDEO is a file, a directory or a list. For each video the tool prints a line:
its path, the name of the class, the score; with --top N the best N names and
scores, best first. They are separated by tabs.
"""

import argparse

from mosi_mmaction.cli.arguments import (
    add_data_root_argument,
    add_device_argument,
)
from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'checkpoint',
        metavar='CHECKPOINT',
        help='checkpoint of a fine-tuning run',
    )
    parser.add_argument(
        'videos',
        nargs='+',
        metavar='VIDEO',
        help='video, directory, or list (.txt)',
    )
    parser.add_argument(
        '--classes',
        metavar='FILE',
        help='file with one class name per line (default: classes.txt beside '
        'the lists of the run)',
    )
    parser.add_argument(
        '--top',
        type=int,
        default=1,
        metavar='N',
        help='number of classes to print per video (default: 1)',
    )
    parser.add_argument(
        '--config',
        help='config of the run (default: the one inside the checkpoint)',
    )
    add_data_root_argument(parser)
    parser.add_argument(
        '--skip-bad',
        action='store_true',
        help='leave out videos that cannot be read, instead of stopping',
    )
    parser.add_argument(
        '--batch-size', type=int, default=4, help='videos per batch'
    )
    add_device_argument(parser)
    args = parser.parse_args(argv)
    if args.top < 1:
        parser.error(f'--top {args.top}: must be at least 1')
    return args


if __name__ == '__main__':
    start(parse_args)

from mosi_mmaction.apis import classify
from mosi_mmaction.cli.runs import check_file


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    check_file(args.checkpoint, 'CHECKPOINT')
    predictions = classify(
        args.checkpoint,
        args.videos,
        config=args.config,
        classes=args.classes,
        data_root=args.data_root,
        bad_files='skip' if args.skip_bad else 'raise',
        batch_size=args.batch_size,
        device=args.device,
    )
    for found in predictions:
        best = [f'{name}\t{score:.3f}' for name, score in found.top(args.top)]
        print('\t'.join([found.video, *best]))


if __name__ == '__main__':
    main()
