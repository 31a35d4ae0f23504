#!/usr/bin/env python
"""Draw a few files of every class and write them as a list file.

    python tools/data/subset.py images data/imagenet/train -n 10 \
        --out data/imagenet/imagenet_s10.txt        # ImageNet-S10, Table 4
    python tools/data/subset.py lowshot \
        data/hmdb51/hmdb51_train_split_1_videos.txt -n 5 \
        --out data/hmdb51/hmdb51_train_split_1_5shot_videos.txt

``images`` draws from a tree ``<class>/<image>`` and writes one path per line,
relative to the tree; ``lowshot`` draws from a list file and writes its lines
unchanged, class by class.

A file is drawn if the SHA-256 of (seed, class, file) is among the n smallest
of its class. So the draw is the same on every machine, a draw of 5 is a subset
of the draw of 10 with the same seed, and files added to one class do not
affect other classes.
"""

import argparse
import hashlib
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='command', required=True)
    images = commands.add_parser('images', help='from a tree of images')
    images.add_argument(
        'source',
        type=Path,
        metavar='ROOT',
        help='directory of <class>/<image>',
    )
    lowshot = commands.add_parser('lowshot', help='from a list of videos')
    lowshot.add_argument(
        'source',
        type=Path,
        metavar='LIST',
        help='list file with lines <path> <label>',
    )
    for command in (images, lowshot):
        command.add_argument('-n', '--num-per-class', type=int, required=True)
        command.add_argument('--seed', type=int, default=0)
        command.add_argument('--out', type=Path, required=True)
        command.add_argument(
            '--allow-fewer',
            action='store_true',
            help='use all files of a class that has fewer than n',
        )
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args, package=False)


from mosi_mmaction.media.paths import (
    IMAGE_EXTENSIONS,
    extension,
    natural_order,
)

# File names are bytes on most systems; they are kept, whatever they are.
TEXT = {'encoding': 'utf-8', 'errors': 'surrogateescape'}


def draw(names: Iterable[str], num: int, seed: int, group: str) -> set[str]:
    """Draw ``num`` names, or all if there are fewer.

    Args:
        names: Names of one class, in any order.
        num: Number of names to draw.
        seed: Seed of the draw.
        group: Name of the class.

    Returns:
        The drawn names.
    """

    def rank(name: str) -> bytes:
        # The zero byte occurs in no name and separates the three parts.
        return hashlib.sha256(
            f'{seed}\0{group}\0{name}'.encode(**TEXT)
        ).digest()

    return set(sorted(set(names), key=rank)[:num])


def list_images(root: Path) -> dict[str, list[str]]:
    """List the images of a tree ``<class>/<image>``.

    Args:
        root: Directory of the class directories; hidden ones are ignored.

    Returns:
        Paths relative to ``root``, by class, both in natural order.

    Raises:
        FileNotFoundError: If there is no image.
        ValueError: If a name contains a line break.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'{root}: no such directory')
    groups = {}
    for folder in map(root.joinpath, natural_order(os.listdir(root))):
        if not folder.is_dir() or folder.name.startswith('.'):
            continue
        names = [
            path.name
            for path in folder.iterdir()
            if extension(path.name) in IMAGE_EXTENSIONS
            and not path.name.startswith('.')
        ]
        for name in names:
            if re.search(r'[\r\n]', folder.name + name):
                raise ValueError(
                    f'{str(folder / name)!r}: a list file cannot contain a '
                    'name with a line break; rename it'
                )
        if names:
            groups[folder.name] = [
                f'{folder.name}/{name}' for name in natural_order(names)
            ]
    if not groups:
        raise FileNotFoundError(
            f'{root}: no image ({", ".join(sorted(IMAGE_EXTENSIONS))}) in '
            'the directory of a class; the tree must be <class>/<image>'
        )
    return groups


def read_list(path: Path) -> dict[str, list[str]]:
    """Read the lines of a list file by label.

    Args:
        path: Path of a list with lines ``<path> <label>``, whose paths may
            contain blanks and #.

    Returns:
        Unchanged lines by label.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line has no label, or the file has no lines.
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file')
    groups = {}
    with open(path, newline='', **TEXT) as file:
        # A byte order mark is not part of the first path.
        lines = file.read().removeprefix('\ufeff').split('\n')
    for number, line in enumerate(lines, 1):
        line = line.rstrip()
        if not line:
            continue
        match = re.fullmatch(r'.*\S\s+(\d+)', line)
        if not match:
            raise ValueError(
                f'{path}:{number}: {line!r} does not end in a label'
            )
        groups.setdefault(match[1], []).append(line)
    if not groups:
        raise ValueError(f'{path}: contains no line')
    return groups


def main(argv: list[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    num = args.num_per_class
    try:
        if num < 1:
            raise ValueError(f'-n {num}: must be at least 1')
        if args.out.resolve() == args.source.resolve():
            raise ValueError(f'--out {args.out}: would overwrite the source')
        read = list_images if args.command == 'images' else read_list
        groups = read(args.source)
        few = [
            f'{group} ({len(set(names))})'
            for group, names in groups.items()
            if len(set(names)) < num
        ]
        if few and not args.allow_fewer:
            raise ValueError(
                f'{args.source}: {len(few)} classes have fewer than {num} '
                f'files: {", ".join(few[:10])}; use a smaller -n, or all '
                'their files with --allow-fewer'
            )
    except (ValueError, FileNotFoundError) as error:
        text = str(error).encode('utf-8', 'backslashreplace').decode('utf-8')
        print(f'subset.py: {text}', file=sys.stderr)
        return 1
    drawn = set().union(
        *(
            draw(names, num, args.seed, group)
            for group, names in groups.items()
        )
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        name
        for names in groups.values()
        for name in dict.fromkeys(names)
        if name in drawn
    ]
    with open(args.out, 'w', newline='\n', **TEXT) as file:
        file.writelines(f'{line}\n' for line in lines)
    print(f'{args.out}: {len(lines)} lines, {len(groups)} classes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
