#!/usr/bin/env python
"""Export a network for use without MMAction2.

    python tools/export.py CHECKPOINT --format onnx [--what classifier]

CHECKPOINT is a file of this package or the name of a zoo entry. Formats:
safetensors (weights alone), onnx, torchscript, program (torch.export). The
batch may have any size. The file is run by its own runtime in a process
without MMAction2, compared with the network, and kept only if they agree.
"""

import argparse
from pathlib import Path

from mosi_mmaction.cli.start import start

FORMATS = ('safetensors', 'onnx', 'torchscript', 'program')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('checkpoint', metavar='CHECKPOINT')
    parser.add_argument('--format', choices=FORMATS, required=True)
    parser.add_argument(
        '--what',
        choices=['features', 'classifier'],
        default='features',
        help='pooled features of the backbone, or probabilities',
    )
    parser.add_argument(
        '--normalize',
        action='store_true',
        help='normalise inside: the file takes uint8 clips',
    )
    parser.add_argument(
        '--config', help='default: the config inside the checkpoint'
    )
    parser.add_argument(
        '--classes', type=Path, help='file with a class name a line'
    )
    parser.add_argument('--clip-len', type=int, help='frames of a clip')
    parser.add_argument('--side', type=int, help='of a clip, in pixels')
    parser.add_argument('--out', help='file to write')
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

from mosi_mmaction.apis.export import export
from mosi_mmaction.apis.videos import read_names


def main(argv: list[str] | None = None) -> None:
    """Export, compare, report."""
    args = parse_args(argv)
    classes = None
    if args.classes:
        classes = read_names(str(args.classes))
    report = export(
        args.checkpoint,
        args.format,
        args.out,
        args.what,
        args.normalize,
        args.config,
        classes,
        args.clip_len,
        args.side,
    )
    print(
        f'{report["path"]}: {report["bytes"] / 2**20:.2f} MiB; largest '
        f'difference {report["difference"]:.1e} (largest value '
        f'{report["largest"]:.3g}); {report["seconds"]:.0f} s'
    )


if __name__ == '__main__':
    main()
