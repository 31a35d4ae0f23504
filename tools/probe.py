#!/usr/bin/env python
"""Measure what a network knows about motion, and check that it is loaded.

    python tools/probe.py NETWORK [--checkpoint FILE]

NETWORK is a checkpoint of this package, the name of a zoo entry, a config
(a file, one of ours by its name, or mmaction::recognition/...; untrained
unless --checkpoint brings weights), or module:function, which returns a
torch.nn.Module of clips (M, 3, T, H, W). Clips with known motion are drawn
from images that no network was trained on; linear readouts of the frozen
features answer questions about held-out images. The tool writes card.md,
card.json and card.png to --out-dir, with scores next to chance, raw pixels,
and the same network untrained. It reports signs of a wrong load; with --strict
these end it with status 1.
"""

import argparse
import json
import sys
from pathlib import Path

from mosi_mmaction.cli.arguments import (
    add_config_options,
    add_device_argument,
    read_options,
)
from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('network', metavar='NETWORK')
    parser.add_argument(
        '--checkpoint', help='weights for the network of a config'
    )
    parser.add_argument(
        '--images',
        metavar='DIR',
        help='directory of images or videos; default: computer-drawn '
        'dead leaves',
    )
    parser.add_argument('--num-images', type=int, default=120)
    parser.add_argument(
        '--clip-len',
        type=int,
        help='frames of a clip; default: as the config trains, or else 16',
    )
    parser.add_argument(
        '--side',
        type=int,
        help='side of a clip in pixels; default: as the config trains, or '
        'else 112',
    )
    parser.add_argument(
        '--no-untrained',
        action='store_true',
        help='leave out the comparison with random weights: half the time',
    )
    parser.add_argument(
        '--strict',
        action='store_true',
        help='end with status 1 if the network seems badly loaded',
    )
    parser.add_argument('--seed', type=int, default=0)
    add_device_argument(parser)
    parser.add_argument(
        '--out-dir',
        type=Path,
        help='default: work_dirs/probe/ and the name of the network, such as '
        'RUN/epoch_14',
    )
    add_config_options(parser)
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

# First, as it says what to install where matplotlib is missing.
from mosi_mmaction.probe.card import draw_card, to_markdown  # isort: skip

from mosi_mmaction.cli.names import name_of_checkpoint
from mosi_mmaction.files import write_text
from mosi_mmaction.probe.networks import open_network
from mosi_mmaction.probe.probe import probe


def default_out_dir(args: argparse.Namespace) -> Path:
    """Return the directory of a card, another one for each network."""
    weights = args.checkpoint or args.network
    if Path(weights).is_file() and not weights.endswith('.py'):
        name = name_of_checkpoint(weights)
    else:
        name = Path(args.network.replace(':', '_')).stem
    return Path('work_dirs', 'probe', name)


def main(argv: list[str] | None = None) -> None:
    """Probe, print the card, write it."""
    args = parse_args(argv)
    network = open_network(
        args.network,
        args.checkpoint,
        read_options(args.cfg_options),
        args.clip_len,
        args.side,
        args.device,
    )
    card = probe(
        network,
        args.num_images,
        args.seed,
        args.images,
        not args.no_untrained,
    )
    card['checkpoint'] = args.checkpoint
    out_dir = args.out_dir or default_out_dir(args)
    text = to_markdown(card)
    write_text(out_dir / 'card.md', text)
    write_text(out_dir / 'card.json', json.dumps(card, indent=1) + '\n')
    draw_card(card).savefig(out_dir / 'card.png', dpi=100)
    print(text)
    print(f'{card["seconds"]:.0f} seconds; wrote {out_dir}')
    if args.strict and not card['ok']:
        sys.exit(1)


if __name__ == '__main__':
    main()
