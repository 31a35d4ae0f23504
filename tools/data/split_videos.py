#!/usr/bin/env python
"""Write lists and a config for a directory of your own labelled videos.

    python tools/data/split_videos.py videos --out lists

VIDEOS has one directory per class, with the videos in it or in its
subdirectories. The tool writes to OUT: train.txt and test.txt (one line
``path label`` per video), classes.txt (the names, in the order of the labels),
and finetune.py, a config that fine-tunes on them:

    python tools/train.py lists/finetune.py

If VIDEOS is already split into train/<class> and test/<class> (or val,
validation), that split is used unchanged; with both val and test, val.txt is
for validation. Otherwise a hash of the paths decides which videos are for
testing, the same on every machine. Clips that were cut from the same film, or
show the same person, must all go into the same split; otherwise the test
rewards memorisation. --group identifies them by a part of their names:

    --group '^[^_]*'        # bend/daria_bend.avi, run/daria_run.avi: daria

Then whole groups are drawn, each of which may have videos of all classes, so
that every class has videos in both lists. The tool stops only if no choice of
groups does that.
"""

import argparse
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path, PurePath

from mosi_mmaction.cli.commands import other_tool
from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'videos', type=Path, help='directory of <class>/<video>'
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='directory to write lists and config to',
    )
    parser.add_argument(
        '--test',
        type=float,
        default=0.25,
        metavar='SHARE',
        help='share of the videos (or groups) for testing',
    )
    parser.add_argument(
        '--group',
        metavar='REGEX',
        help='pattern that finds the group of a video in its file name: the '
        'first (...) if there is one, otherwise the whole match',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the split'
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
        help='checkpoint to start from, a file or mosi:// and a name of the '
        "zoo; '' keeps that of the base config",
    )
    args = parser.parse_args(argv)
    if not 0 < args.test < 1:
        parser.error(f'--test {args.test}: a share between 0 and 1')
    return args


if __name__ == '__main__':
    start(parse_args, package=False)

from mosi_mmaction.config.lookup import config_path
from mosi_mmaction.config.mirror import advice
from mosi_mmaction.media.halves import draw, draw_groups
from mosi_mmaction.media.paths import (
    HALVES,
    describe_counts,
    extension,
    kind_of,
    natural_order,
    scan_tree,
)

# File names are bytes on most systems; they are kept, whatever they are.
TEXT = {'encoding': 'utf-8', 'errors': 'surrogateescape'}

CONFIG = """\
# Written by split_videos.py; edit as you like.
_base_ = [__import__('mosi_mmaction').config_path({base!r})]

from mosi_mmaction import set_videos

set_videos(_base_, videos={videos!r}, lists={lists!r})
"""
VALIDATION = """
val_dataloader = dict(dataset=dict(ann_file={file!r}))
"""
LOAD = """
# The checkpoint to start from: set the environment variable, or --cfg-options
# load_from=FILE; load_from=None trains from scratch.
import os

load_from = os.environ.get('MOSI_PRETRAINED', {file!r})
"""


def find_videos(root: Path, left_out: Counter) -> dict[str, list[str]]:
    """Return the videos of every class, relative to the root.

    Args:
        root: Directory of the classes.
        left_out: Counter of files that are not videos, by extension.

    Raises:
        FileNotFoundError: If there is no such directory.
        ValueError: If there are fewer than two classes, or a video is in
            none.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'{root}: there is no such directory')
    classes, loose = defaultdict(list), []
    for path in scan_tree(str(root), left_out=left_out):
        if kind_of(path)[1] == 'video':
            name, *below = PurePath(path).parts
            classes[name].append(path) if below else loose.append(path)
        else:
            left_out[extension(path)] += 1
    if loose:
        raise ValueError(
            f'{root / loose[0]}: is not in the directory of a class '
            f'({len(loose)} such videos); the layout is '
            'VIDEOS/<class>/<video>'
        )
    if len(classes) < 2:
        raise ValueError(
            f'{root}: {len(classes)} directories with videos; a classifier '
            'needs two. The layout is VIDEOS/<class>/<video>'
            + (
                f'; not videos: {describe_counts(left_out)}'
                if left_out
                else ''
            )
        )
    return dict(classes)


def given_halves(
    folders: dict[str, list[str]], pattern: str | None
) -> tuple[list[str], dict[str, list[tuple[str, int]]]] | None:
    """Return classes and lists if the directories are a split, else None.

    Args:
        folders: Result of :func:`find_videos`.
        pattern: Pattern of the groups that must not be separated, or None.

    Raises:
        ValueError: If they are a split without classes, or with a class or
            group that is not allowed.
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
                    f'{path}: {name!r} is the name of a split, but the video '
                    'is not in the directory of a class: '
                    f'{name}/<class>/<video>. If it is a class, rename it'
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
            f'the directories {sorted(folders)} are splits of a dataset, but '
            'both train and test (or val) are needed'
        )
    if 'test' not in halves:
        halves['test'] = halves.pop('val')
    classes = natural_order(set().union(*halves.values()))
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
    """Return the group of a video, which must not be separated.

    Raises:
        ValueError: If the pattern does not match the name.
    """
    if pattern is None:
        return path
    found = re.search(pattern, PurePath(path).name)
    if found is None:
        raise ValueError(
            f'--group {pattern!r} does not match the name of {path}'
        )
    return found[1] if found.re.groups else found[0]


def split(
    classes: dict[str, list[str]],
    fraction: float,
    seed: int,
    pattern: str | None,
) -> dict[str, list[tuple[str, int]]]:
    """Return the (path, label) pairs of ``train`` and ``test``.

    Without a pattern each class is split, otherwise the groups are.

    Raises:
        ValueError: If a class cannot have a video in both.
    """
    groups = {
        path: group_of(path, pattern)
        for paths in classes.values()
        for path in paths
    }
    of_class = {
        name: {groups[path] for path in paths}
        for name, paths in classes.items()
    }
    for name, there in of_class.items():
        if len(there) < 2:
            raise ValueError(
                f'class {name!r} ({len(classes[name])} videos) '
                + (
                    'has none for testing: add videos'
                    if pattern is None
                    else f'has only the group {next(iter(there))!r}, which '
                    'cannot be used for training and for testing: add videos '
                    'of others, or change --group'
                )
            )
    if pattern is None:
        held_out: set[str] | None = set().union(
            *(draw(there, fraction, seed) for there in of_class.values())
        )
    else:
        held_out = draw_groups([*of_class.values()], fraction, seed)
    if held_out is None:
        raise ValueError(
            f'--group: however the {len(set(groups.values()))} groups are '
            'divided, a class has all its videos in one half: add videos, or '
            'change --group'
        )
    lists: dict[str, list[tuple[str, int]]] = {'train': [], 'test': []}
    for label, paths in enumerate(classes.values()):
        for path in paths:
            half = 'test' if groups[path] in held_out else 'train'
            lists[half].append((path, label))
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
        print(f'ignored, as they are not videos: {describe_counts(left_out)}')
    if halves is None:
        folders = sorted(p.name for p in args.videos.iterdir() if p.is_dir())
        empty = [
            n for n in folders if n not in classes and not n.startswith('.')
        ]
        if empty:
            print(f'not classes, as they have no video: {", ".join(empty)}')
    elif 'val' in lists:
        of += f', {len(lists["val"])} to validate'
    if told := advice(names):
        print(f'{config}: {told}')
    print(
        f'{len(names)} classes, {len(lists["train"])} videos to train '
        f'on, {len(lists["test"])} to test{of}; now: '
        f'{other_tool("train", str(config))}'
    )
    return 0


def _write(path: Path, text: str) -> None:
    with open(path, 'w', newline='\n', **TEXT) as file:
        file.write(text)


if __name__ == '__main__':
    sys.exit(main())
