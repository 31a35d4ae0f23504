#!/usr/bin/env python
"""Convert a checkpoint of the MoSI authors' model zoo into one of ours.

    python tools/convert_official.py r2p1d_pt_hmdb_mosi_public.pyth \
        r2p1d_pt_hmdb.pth --arch r2p1d

The result is a checkpoint of a whole recognizer: ``backbone.*`` fits
MoSIResNet2Plus1d (r2p1d) or ResNet2d3d (r2d3d); ``cls_head.*`` fits MoSIHead,
or I3DHead if the file was fine-tuned. Use it as ``load_from``, as the
backbone's ``pretrained``, or with load_backbone().

Names in the authors' files and their new names:

    backbone.conv1.U                         backbone.U
    backbone.conv{2..5}.res_{1..}.U          backbone.layer{1..4}.{0..}.U
    backbone.conv{2..5}.res_{1..}.conv_branch.U         (likewise)
    head.out_joint, head.out                 cls_head.fc_cls
    head.out_x, head.out_y                   cls_head.fc_cls_x, fc_cls_y

where U is one of the units in UNITS below. A file does not tell three things:
their y-only head also calls its layer out_x; a joint head over all pairs
(DECOUPLE false) has its static label in the middle, ours has it last; and
which class of UCF101 or HMDB51 an output of head.out stands for.

Exit status: 0 if every tensor of the backbone was found; 1 if one was not
found or the file cannot be read, in which case nothing is written.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('src', help='checkpoint of the authors')
    parser.add_argument('dst', help='checkpoint to write')
    parser.add_argument('--arch', required=True, choices=['r2d3d', 'r2p1d'])
    parser.add_argument(
        '--depth',
        type=int,
        choices=(10, 18, 34),
        help='number of layers (default: found from the file)',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

import torch

from mosi_mmaction.checkpoints.files import METADATA
from mosi_mmaction.checkpoints.weights import compare_weights, without_prefix
from mosi_mmaction.models.backbones.paper_resnet import (
    MoSIResNet2Plus1d,
    ResNet2d3d,
)

ARCHS = {'r2p1d': MoSIResNet2Plus1d, 'r2d3d': ResNet2d3d}

# The last layer of the stem, whose number of outputs is the base width.
STEM = {
    'r2p1d': 'backbone.conv1.a2.weight',
    'r2d3d': 'backbone.conv1.a.weight',
}

UNITS = {
    'r2p1d': {
        'a1': 'conv1.conv.conv_s',
        'a1_bn': 'conv1.conv.bn_s',
        'a2': 'conv1.conv.conv_t',
        'a2_bn': 'conv1.bn',
        'b1': 'conv2.conv.conv_s',
        'b1_bn': 'conv2.conv.bn_s',
        'b2': 'conv2.conv.conv_t',
        'b2_bn': 'conv2.bn',
        'short_cut': 'downsample.conv',
        'short_cut_bn': 'downsample.bn',
    },
    'r2d3d': {
        'a': 'conv1.conv',
        'a_bn': 'conv1.bn',
        'b': 'conv2.conv',
        'b_bn': 'conv2.bn',
        'short_cut': 'downsample.conv',
        'short_cut_bn': 'downsample.bn',
    },
}

HEADS = {
    'head.out_joint': 'cls_head.fc_cls',
    'head.out': 'cls_head.fc_cls',
    'head.out_x': 'cls_head.fc_cls_x',
    'head.out_y': 'cls_head.fc_cls_y',
}

StateDict = dict[str, torch.Tensor]


def rename(key: str, arch: str) -> str | None:
    """Return our name of one of the authors' tensors; None if it has none.

    Args:
        key: Name in the authors' file, for example
            ``'backbone.conv2.res_1.conv_branch.a1.weight'``.
        arch: Architecture, ``'r2p1d'`` or ``'r2d3d'``.

    Examples:
        >>> rename('backbone.conv2.res_1.conv_branch.a1.weight', 'r2p1d')
        'backbone.layer1.0.conv1.conv.conv_s.weight'
    """
    layer, _, tensor = key.rpartition('.')
    if layer in HEADS:
        return f'{HEADS[layer]}.{tensor}'
    match = re.fullmatch(
        r'backbone\.conv(?:1|([2-5])\.res_(\d+)(?:\.conv_branch)?)\.(\w+)',
        layer,
    )
    if not match or match[3] not in UNITS[arch]:
        return None
    place = (
        f'layer{int(match[1]) - 1}.{int(match[2]) - 1}.' if match[1] else ''
    )
    return f'backbone.{place}{UNITS[arch][match[3]]}.{tensor}'


def load_official(path: str) -> StateDict:
    """Load the tensors of a checkpoint without running code from it.

    Args:
        path: Path of a file from ``torch.save``: a state dict, or a dict
            with one under ``model_state``.

    Returns:
        Tensors by the authors' names.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a checkpoint, contains more than tensors,
            numbers and strings, or has no state dict.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such file')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # a broken or hostile file may raise anything
        # Not torch's own message: it advises loading without protection.
        blocked = re.search(r'GLOBAL:? (\S+)', str(error), re.IGNORECASE)
        reason = (
            f'it asks for {blocked[1]}' if blocked else type(error).__name__
        )
        raise ValueError(
            f'{path}: refused ({reason}). The file is damaged, or not a '
            'checkpoint, or contains objects that could run code when '
            'loaded; only tensors, numbers, strings and containers of them '
            'are read'
        ) from error
    state = content
    if isinstance(content, Mapping):
        state = content.get('model_state', content)
    if not isinstance(state, Mapping) or not any(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise ValueError(
            f'{path}: contains no state dict, neither directly nor under '
            "the key 'model_state'"
        )
    return without_prefix(state, 'module.')


def guess_depth(state: StateDict, arch: str) -> int:
    """Find the depth from the number of blocks in the four stages.

    Raises:
        ValueError: If no depth has these numbers.
    """
    blocks = [0] * 4
    for key in state:
        match = re.match(r'backbone\.conv([2-5])\.res_(\d+)\.', key)
        if match:
            stage = int(match[1]) - 2
            blocks[stage] = max(blocks[stage], int(match[2]))
    known = {
        depth: stages
        for depth, (_, stages) in ARCHS[arch].arch_settings.items()
    }
    for depth, stages in known.items():
        if tuple(blocks) == tuple(stages):
            return depth
    raise ValueError(
        f'the stages backbone.conv2 to conv5 have {blocks} blocks '
        f'(backbone.convN.res_M); known are {known}. Is this a checkpoint '
        'of the authors, for MoSI?'
    )


def convert(
    state: StateDict, arch: str, depth: int
) -> tuple[StateDict, list[str], list[str]]:
    """Rename the tensors that fit; the base width follows from the stem.

    Args:
        state: Tensors by the authors' names.
        arch: Architecture, ``'r2p1d'`` or ``'r2d3d'``.
        depth: Number of layers, 10, 18 or 34.

    Returns:
        Tensors by our names; source keys without a counterpart; our keys
        that were not filled.
    """
    stem = state.get(STEM[arch])
    width = len(stem) if isinstance(stem, torch.Tensor) and stem.ndim else 64
    with torch.device('meta'):  # only names and shapes are needed
        backbone = ARCHS[arch](depth=depth, base_channels=width)
    wanted = {
        f'backbone.{key}': value
        for key, value in backbone.state_dict().items()
    }
    given, sources = {}, {}
    for key, value in state.items():
        ours = rename(key, arch)
        if isinstance(value, torch.Tensor) and ours and ours not in given:
            given[ours], sources[ours] = value, key
    found = compare_weights(wanted, given)
    no_place = {*found.reshaped, *found.unknown}
    placed = {
        ours: value.detach().clone()
        for ours, value in given.items()
        if ours not in no_place or ours.startswith('cls_head.')
    }
    notes = {
        sources[ours]: f': {tuple(given[ours].shape)}, but {ours} is '
        f'{tuple(wanted[ours].shape)}'
        for ours in found.reshaped
    }
    used = {sources[ours] for ours in placed}
    left_over = [key + notes.get(key, '') for key in state if key not in used]
    heads = [
        key.rpartition('.')[0] for key in placed if key.startswith('cls_head.')
    ] or ['cls_head.fc_cls']
    expected = [
        *wanted,
        *(
            f'{head}.{name}'
            for head in dict.fromkeys(heads)
            for name in ('weight', 'bias')
        ),
    ]
    return placed, left_over, [key for key in expected if key not in placed]


def main(argv: list[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    try:
        if Path(args.src).resolve() == Path(args.dst).resolve():
            raise ValueError(f'{args.dst}: would overwrite the source')
        state = load_official(args.src)
        depth = guess_depth(state, args.arch)
        if args.depth not in (None, depth):
            raise ValueError(
                f'{args.src}: has {depth} layers, not --depth {args.depth}'
            )
    except (ValueError, FileNotFoundError) as error:
        print(f'convert_official.py: {error}', file=sys.stderr)
        return 1
    placed, left_over, empty = convert(state, args.arch, depth)
    print(f'{len(placed)} of {len(state)} tensors placed, depth {depth}')
    for title, keys in (
        ('source keys that found no place', left_over),
        ('our keys that stayed empty', empty),
    ):
        print(f'{title}: {len(keys) or "none"}')
        for key in keys:
            print(f'  {key}')
    if any(key.startswith('backbone.') for key in empty):
        print(
            f'convert_official.py: {args.src} does not fill the backbone '
            f'(--arch {args.arch}, depth {depth}); nothing was written',
            file=sys.stderr,
        )
        return 1
    dst = Path(args.dst)
    dst.parent.mkdir(parents=True, exist_ok=True)
    backbone = {
        'type': ARCHS[args.arch].__name__,
        'depth': depth,
        'base_channels': len(state[STEM[args.arch]]),
    }
    torch.save(
        {
            # Where load_backbone() and the other tools look for it.
            'meta': {
                'source': Path(args.src).name,
                METADATA: {'backbone': backbone},
            },
            'state_dict': placed,
        },
        dst,
    )
    print(f'wrote {dst}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
