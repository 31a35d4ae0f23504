#!/usr/bin/env python
"""Write lists and a config for a folder of labelled videos of one's own.

    python tools/data/split_videos.py videos --out lists

VIDEOS has one folder a class, with the videos in it or in folders below. To
OUT go train.txt and test.txt (a line ``path label`` a video), classes.txt
(the names, in the order of the labels), and finetune.py, a config that
fine-tunes on them:

    python tools/train.py lists/finetune.py

Which videos are for test is decided by a hash of their paths: the same on
every machine. Clips that were cut from one film, or show one person, belong
on one side, or the test measures memory; --group tells them by a part of
their names:

    --group '^[^_]*'        # bend/daria_bend.avi, run/daria_run.avi: daria

Then whole groups are drawn, of which each may have videos of all classes.
"""

import argparse
import hashlib
import re
import sys
from collections import defaultdict
from pathlib import Path, PurePath

from mosi_mmaction import config_path
from mosi_mmaction.media.paths import kind_of, scan_tree

# File names are bytes on most systems; whatever they are, they survive.
TEXT = {'encoding': 'utf-8', 'errors': 'surrogateescape'}

CONFIG = """\
# Written by split_videos.py; change what you like.
_base_ = [__import__('mosi_mmaction').config_path({base!r})]
__import__('mosi_mmaction').set_videos(
    _base_, videos={videos!r}, lists={lists!r})
"""
LOAD = """
# What to start from: the environment variable, or --cfg-options
# load_from=FILE; load_from=None starts from nothing.
import os

load_from = os.environ.get('MOSI_PRETRAINED', {file!r})
"""


def find_videos(root: Path) -> dict[str, list[str]]:
    """Return the videos of every class, relative to the root.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are fewer than two classes, or a video lies in
            none.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'{root}: there is no such folder')
    classes, loose = defaultdict(list), []
    for path in scan_tree(str(root)):
        if kind_of(path)[1] == 'video':
            name, *below = PurePath(path).parts
            classes[name].append(path) if below else loose.append(path)
    if loose:
        raise ValueError(
            f'{root / loose[0]}: lies in no folder of a class ({len(loose)} '
            'such videos); the layout is VIDEOS/<class>/<video>'
        )
    if len(classes) < 2:
        raise ValueError(
            f'{root}: {len(classes)} folders with videos; a classifier needs '
            'two. The layout is VIDEOS/<class>/<video>'
        )
    return dict(classes)


def group_of(path: str, pattern: str | None) -> str:
    """Return what a video must not be separated from.

    Raises:
        ValueError: If the pattern does not fit the name.
    """
    if pattern is None:
        return path
    found = re.search(pattern, PurePath(path).name)
    if found is None:
        raise ValueError(
            f'--group {pattern!r} is not found in the name of {path}'
        )
    return found[1] if found.re.groups else found[0]


def draw(names: set[str], fraction: float, seed: int) -> set[str]:
    """Draw a share of the names, at least one, by their hashes."""

    def place(name):
        text = f'{seed}\0{name}'.encode(**TEXT)
        return hashlib.sha256(text).digest()

    count = max(1, round(fraction * len(names)))
    return set(sorted(names, key=place)[:count])


def split(
    classes: dict[str, list[str]],
    fraction: float,
    seed: int,
    pattern: str | None,
) -> dict[str, list[tuple[str, int]]]:
    """Return the (path, label) pairs of ``train`` and ``test``.

    Without a pattern each class is split, otherwise the groups are.

    Raises:
        ValueError: If a class has no video on one of the sides.
    """
    groups = {
        path: group_of(path, pattern)
        for paths in classes.values()
        for path in paths
    }
    if pattern is None:
        held_out = set().union(
            *(draw(set(paths), fraction, seed) for paths in classes.values())
        )
    else:
        held_out = draw(set(groups.values()), fraction, seed)
    lists = {'train': [], 'test': []}
    for label, (name, paths) in enumerate(classes.items()):
        for path in paths:
            half = 'test' if groups[path] in held_out else 'train'
            lists[half].append((path, label))
        sides = [groups[path] in held_out for path in paths]
        if all(sides) or not any(sides):
            raise ValueError(
                f'class {name!r} ({len(paths)} videos) has none for '
                f'{"training" if all(sides) else "test"}: add videos, or '
                'change --test, --group or --seed'
            )
    return lists


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('videos', type=Path, help='folder of <class>/<video>')
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='where lists and config go',
    )
    parser.add_argument(
        '--test',
        type=float,
        default=0.25,
        metavar='SHARE',
        help='share of the videos (or groups) for test',
    )
    parser.add_argument(
        '--group',
        metavar='REGEX',
        help='finds in a file name what a video must not be '
        'separated from; its first (...) if it has one',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='another one draws another split'
    )
    parser.add_argument(
        '--base',
        default='tiny/finetune_r2p1d_weizmann',
        metavar='CONFIG',
        help='name of the config that finetune.py inherits',
    )
    parser.add_argument(
        '--checkpoint',
        default='mosi://mosi_r2p1d_deadleaves',
        metavar='FILE',
        help='what to start from, a file or mosi:// and a name of the zoo; '
        "'' leaves that to the base",
    )
    args = parser.parse_args(argv)
    if not 0 < args.test < 1:
        parser.error(f'--test {args.test}: a share between 0 and 1')
    return args


def main(argv: list[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    try:
        config_path(args.base)
        classes = find_videos(args.videos)
        lists = split(classes, args.test, args.seed, args.group)
    except (ValueError, FileNotFoundError) as error:
        text = str(error).encode('utf-8', 'backslashreplace').decode()
        print(f'split_videos.py: {text}', file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    for half, entries in lists.items():
        _write(
            args.out / f'{half}.txt',
            ''.join(f'{path} {label}\n' for path, label in entries),
        )
    _write(args.out / 'classes.txt', ''.join(f'{n}\n' for n in classes))
    text = CONFIG.format(
        base=args.base,
        videos=str(args.videos.resolve()),
        lists=str(args.out.resolve()),
    )
    if args.checkpoint:
        text += LOAD.format(file=args.checkpoint)
    config = args.out / 'finetune.py'
    _write(config, text)
    groups = {
        group_of(path, args.group)
        for paths in classes.values()
        for path in paths
    }
    of = f' of {len(groups)} groups' if args.group else ''
    print(
        f'{len(classes)} classes, {len(lists["train"])} videos to train '
        f'on, {len(lists["test"])} to test{of}; now: python tools/train.py '
        f'{config}'
    )
    return 0


def _write(path: Path, text: str) -> None:
    with open(path, 'w', newline='\n', **TEXT) as file:
        file.write(text)


if __name__ == '__main__':
    sys.exit(main())
