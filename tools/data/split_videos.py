#!/usr/bin/env python
"""Write lists and a config for a folder of labelled videos of one's own.

    python tools/data/split_videos.py videos --out lists

VIDEOS has one folder a class, with the videos in it or in folders below. To
OUT go train.txt and test.txt (a line ``path label`` a video), classes.txt
(the names, in the order of the labels), and finetune.py, a config that
fine-tunes on them:

    python tools/train.py lists/finetune.py

Where VIDEOS has halves, train/<class> and test/<class> (or val, validation),
they are taken as they are; of both val and test, val.txt is for validation.
Otherwise which videos are for test is decided by a hash of their paths: the
same on every machine. Clips that were cut from one film, or show one person,
belong on one side, or the test measures memory; --group tells them by a part
of their names:

    --group '^[^_]*'        # bend/daria_bend.avi, run/daria_run.avi: daria

Then whole groups are drawn, of which each may have videos of all classes.
"""

import argparse
import hashlib
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path, PurePath

from mosi_mmaction.cli.start import start


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


if __name__ == '__main__':
    start(parse_args, package=False)

from natsort import natsorted

from mosi_mmaction.config.lookup import config_path
from mosi_mmaction.config.mirror import advice
from mosi_mmaction.media.paths import (
    HALVES,
    describe_counts,
    extension,
    kind_of,
    scan_tree,
)

# File names are bytes on most systems; whatever they are, they survive.
TEXT = {'encoding': 'utf-8', 'errors': 'surrogateescape'}

CONFIG = """\
# Written by split_videos.py; change what you like.
_base_ = [__import__('mosi_mmaction').config_path({base!r})]

from mosi_mmaction import set_videos

set_videos(_base_, videos={videos!r}, lists={lists!r})
"""
VALIDATION = """
val_dataloader = dict(dataset=dict(ann_file={file!r}))
"""
LOAD = """
# What to start from: the environment variable, or --cfg-options
# load_from=FILE; load_from=None starts from nothing.
import os

load_from = os.environ.get('MOSI_PRETRAINED', {file!r})
"""


def find_videos(root: Path, left_out: Counter) -> dict[str, list[str]]:
    """Return the videos of every class, relative to the root.

    Args:
        root: The folder.
        left_out: Counts the files that are no videos, by extension.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are fewer than two classes, or a video lies in
            none.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'{root}: there is no such folder')
    classes, loose = defaultdict(list), []
    for path in scan_tree(str(root), left_out=left_out):
        if kind_of(path)[1] == 'video':
            name, *below = PurePath(path).parts
            classes[name].append(path) if below else loose.append(path)
        else:
            left_out[extension(path)] += 1
    if loose:
        raise ValueError(
            f'{root / loose[0]}: lies in no folder of a class ({len(loose)} '
            'such videos); the layout is VIDEOS/<class>/<video>'
        )
    if len(classes) < 2:
        raise ValueError(
            f'{root}: {len(classes)} folders with videos; a classifier needs '
            'two. The layout is VIDEOS/<class>/<video>'
            + (f'; no videos: {describe_counts(left_out)}' if left_out else '')
        )
    return dict(classes)


def given_halves(
    folders: dict[str, list[str]], pattern: str | None
) -> tuple[list[str], dict[str, list[tuple[str, int]]]] | None:
    """Return classes and lists of folders that are halves, or None.

    Args:
        folders: Of :func:`find_videos`.
        pattern: Of what must not be in two halves, or None.

    Raises:
        ValueError: If they are halves and have no classes, or a class or
            group that cannot be.
    """
    if not all(name.lower() in HALVES for name in folders):
        return None
    halves, groups = defaultdict(lambda: defaultdict(list)), {}
    for name, paths in folders.items():
        half = HALVES[name.lower()]
        for path in paths:
            parts = PurePath(path).parts
            if len(parts) < 3:
                raise ValueError(
                    f'{path}: {name!r} is the name of a half, and the video '
                    f'lies in no folder of a class: {name}/<class>/<video>. '
                    'If it is a class, rename it'
                )
            halves[half][parts[1]].append(path)
            if pattern is not None:
                group = group_of(path, pattern)
                if groups.setdefault(group, half) != half:
                    raise ValueError(
                        f'--group: {group!r} is in {groups[group]} and in '
                        f'{half}'
                    )
    if 'train' not in halves or len(halves) < 2:
        raise ValueError(
            f'the folders {sorted(folders)} are halves of a data set, but '
            'both train and test (or val) are needed'
        )
    if 'test' not in halves:
        halves['test'] = halves.pop('val')
    classes = natsorted(set().union(*halves.values()))
    for half, there in halves.items():
        missing = [name for name in classes if name not in there]
        if missing and half != 'val':
            raise ValueError(f'class {missing[0]!r} has no video in {half}')
    return classes, {
        half: [
            (path, label)
            for label, name in enumerate(classes)
            for path in there.get(name, ())
        ]
        for half, there in halves.items()
    }


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


def main(argv: list[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    try:
        config_path(args.base)
        left_out: Counter = Counter()
        classes = find_videos(args.videos, left_out)
        halves = given_halves(classes, args.group)
        if halves is not None:
            names, lists = halves
        else:
            names = list(classes)
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
    _write(args.out / 'classes.txt', ''.join(f'{n}\n' for n in names))
    text = CONFIG.format(
        base=args.base,
        videos=str(args.videos.resolve()),
        lists=str(args.out.resolve()),
    )
    if 'val' in lists:
        text += VALIDATION.format(file=str(args.out.resolve() / 'val.txt'))
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
    if left_out:
        print(f'left out, as no videos: {describe_counts(left_out)}')
    if halves is None:
        folders = sorted(p.name for p in args.videos.iterdir() if p.is_dir())
        empty = [
            n for n in folders if n not in classes and not n.startswith('.')
        ]
        if empty:
            print(f'no classes, as they hold no video: {", ".join(empty)}')
    elif 'val' in lists:
        of += f', {len(lists["val"])} to validate'
    if told := advice(names):
        print(f'{config}: {told}')
    print(
        f'{len(names)} classes, {len(lists["train"])} videos to train '
        f'on, {len(lists["test"])} to test{of}; now: python tools/train.py '
        f'{config}'
    )
    return 0


def _write(path: Path, text: str) -> None:
    with open(path, 'w', newline='\n', **TEXT) as file:
        file.write(text)


if __name__ == '__main__':
    sys.exit(main())
