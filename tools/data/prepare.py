#!/usr/bin/env python
"""Write MMAction2's list files for UCF101 or HMDB51.

    python tools/data/prepare.py hmdb51 --splits testTrainMulti_7030_splits \
        --videos data/hmdb51/videos --out data/hmdb51

reads the official split files as distributed (CRLF or LF, in the directory
itself or in a subdirectory) and writes, for splits 1 to 3,

    OUT/hmdb51_train_split_1_videos.txt
    OUT/hmdb51_val_split_1_videos.txt

with one line ``<class>/<video>.avi <label>`` per video, relative to VIDEOS.
Labels start at 0: in the order of classInd.txt for UCF101, and in that of the
sorted class names for HMDB51. ``val`` is the official test half.

Videos missing from VIDEOS are printed and listed in OUT/hmdb51_missing.txt,
and the exit status is 1. The complete lists are written anyway, so that the
tool need not be run again once the videos are there. With --allow-missing the
lists contain only existing videos, and the exit status is 0.

Exit status: 0 on success; 1 if videos are missing or the length of a list is
not the official one (--allow-other-counts permits this, for your own splits);
2 if the split files cannot be read, in which case nothing is written.
"""

import argparse
import re
import sys
from pathlib import Path

from mosi_mmaction.cli.start import start

# Number of (train, val) videos of splits 1 to 3.
COUNTS = {
    'ucf101': ((9537, 3783), (9586, 3734), (9624, 3696)),
    'hmdb51': ((3570, 1530),) * 3,
}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('dataset', choices=sorted(COUNTS))
    parser.add_argument(
        '--splits',
        type=Path,
        required=True,
        metavar='DIR',
        help='directory of the official split files',
    )
    parser.add_argument(
        '--videos',
        type=Path,
        required=True,
        metavar='DIR',
        help='directory of <class>/<video>.avi',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='directory to write the lists to',
    )
    parser.add_argument(
        '--allow-missing',
        action='store_true',
        help='omit missing videos from the lists',
    )
    parser.add_argument(
        '--allow-other-counts',
        action='store_true',
        help='accept split files other than the official ones',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args, package=False)


SPLITS = (1, 2, 3)
SHOWN = 20  # number of missing videos to print; the file lists all

# File names are bytes on most systems; they are kept, whatever they are.
TEXT = {'encoding': 'utf-8', 'errors': 'surrogateescape'}

Entries = list[tuple[str, int]]  # (path relative to VIDEOS, label)


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Read a text file without its empty lines.

    Args:
        path: Path of a file with LF or CRLF.

    Returns:
        (place, line) pairs; the place is ``'file:number'``, for messages.
        Leading blanks are part of a line, trailing ones are not.
    """
    # Not splitlines(), which also splits at characters that a file name
    # may contain.
    with open(path, newline='', **TEXT) as file:
        lines = file.read().split('\n')
    return [
        (f'{path}:{number}', line.rstrip())
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def split_number(place: str, line: str) -> tuple[str, int]:
    """Split a line into a name, which may have blanks and #, and a number.

    Raises:
        ValueError: If the line does not end in a blank and a number.
    """
    match = re.fullmatch(r'(.*\S)\s+(\d+)', line)
    if not match:
        raise ValueError(f'{place}: {line!r} is not "<video> <number>"')
    return match[1], int(match[2])


def find_folder(folder: Path, pattern: str) -> Path:
    """Return the only directory in a tree that contains split files.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several.
    """
    if any(folder.glob(pattern)):
        return folder
    found = sorted({path.parent for path in folder.rglob(pattern)})
    if not found:
        raise FileNotFoundError(
            f'--splits {folder}: no file {pattern} there or below; use the '
            'directory of the official split files'
        )
    if len(found) > 1:
        raise ValueError(
            f'--splits {folder}: several directories contain {pattern}: '
            f'{", ".join(map(str, found))}; use one of them'
        )
    return found[0]


def read_ucf101(splits: Path) -> dict[tuple[int, str], Entries]:
    """Read UCF101's classInd, trainlist and testlist files.

    Args:
        splits: Directory of the files.

    Returns:
        Lists by (split, ``'train'`` or ``'val'``).

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If a line cannot be read, or a label is not that of the
            video's class.
    """
    folder = find_folder(splits, 'classInd.txt')
    labels = {}
    for place, line in read_lines(folder / 'classInd.txt'):
        number, _, name = line.partition(' ')
        if not number.isdigit() or not name:
            raise ValueError(f'{place}: {line!r} is not "<number> <class>"')
        labels[name] = int(number) - 1

    def entry(place: str, video: str, number: int | None):
        name = video.partition('/')[0]
        if name not in labels:
            raise ValueError(
                f'{place}: class {name!r} is not in {folder}/classInd.txt'
            )
        if number is not None and number - 1 != labels[name]:
            raise ValueError(
                f'{place}: label {number}, but classInd.txt gives '
                f'{name} the number {labels[name] + 1}'
            )
        return video, labels[name]

    lists = {}
    for split in SPLITS:
        lists[split, 'train'] = [
            entry(place, *split_number(place, line))
            for place, line in read_lines(folder / f'trainlist{split:02}.txt')
        ]
        lists[split, 'val'] = [
            entry(place, line, None)
            for place, line in read_lines(folder / f'testlist{split:02}.txt')
        ]
    return lists


def read_hmdb51(splits: Path) -> dict[tuple[int, str], Entries]:
    """Read HMDB51's <class>_test_split<n>.txt files.

    A line is a video and 1 for training, 2 for testing, 0 for neither.

    Args:
        splits: Directory of the files.

    Returns:
        Lists by (split, ``'train'`` or ``'val'``).

    Raises:
        FileNotFoundError: If a class lacks a split.
        ValueError: If a line cannot be read.
    """
    end = '_test_split{}.txt'
    folder = find_folder(splits, '*' + end.format(1))
    classes = sorted(
        {
            path.name[: -len(end.format(split))]
            for split in SPLITS
            for path in folder.glob('*' + end.format(split))
        }
    )
    lists = {
        (split, half): [] for split in SPLITS for half in ('train', 'val')
    }
    for label, name in enumerate(classes):
        for split in SPLITS:
            for place, line in read_lines(folder / (name + end.format(split))):
                video, number = split_number(place, line)
                if number not in (0, 1, 2):
                    raise ValueError(
                        f'{place}: {number} is neither 1 (train), 2 (test) '
                        'nor 0 (unused)'
                    )
                if number:
                    half = 'train' if number == 1 else 'val'
                    lists[split, half].append((f'{name}/{video}', label))
    return lists


def check_counts(
    name: str, lists: dict[tuple[int, str], Entries]
) -> list[str]:
    """Compare the lists with the official numbers of videos.

    Args:
        name: Dataset, ``'ucf101'`` or ``'hmdb51'``.
        lists: Lists by (split, half), as in the split files.

    Returns:
        One message per wrong list; empty if all are right.
    """
    complaints = []
    for split, counts in zip(SPLITS, COUNTS[name]):
        for half, count in zip(('train', 'val'), counts):
            found = len(lists[split, half])
            if found != count:
                complaints.append(
                    f'split {split} {half}: {found} videos, '
                    f'official are {count}'
                )
    return complaints


def main(argv: list[str] | None = None) -> int:
    """Run the tool; return its exit status."""
    args = parse_args(argv)
    try:
        if not args.videos.is_dir():
            raise FileNotFoundError(
                f'--videos {args.videos}: no such directory'
            )
        read = {'ucf101': read_ucf101, 'hmdb51': read_hmdb51}[args.dataset]
        lists = read(args.splits)
    except (ValueError, FileNotFoundError) as error:
        print(f'prepare.py: {error}', file=sys.stderr)
        return 2

    videos = dict.fromkeys(
        video for entries in lists.values() for video, _ in entries
    )
    missing = {
        video: None for video in videos if not (args.videos / video).is_file()
    }
    complaints = check_counts(args.dataset, lists)

    args.out.mkdir(parents=True, exist_ok=True)
    for (split, half), entries in lists.items():
        if args.allow_missing:
            entries = [e for e in entries if e[0] not in missing]
        path = args.out / f'{args.dataset}_{half}_split_{split}_videos.txt'
        _write(path, [f'{video} {label}' for video, label in entries])
        print(f'{path}: {len(entries)} videos')
    missing_file = args.out / f'{args.dataset}_missing.txt'
    missing_file.unlink(missing_ok=True)  # from an earlier run

    blank = [video for video in videos if re.search(r'\s', video)]
    if blank:
        _warn(
            f'{len(blank)} names contain blanks, such as {blank[0]!r}; they '
            "are written unchanged, but MMAction2's own reader splits "
            'lines at blanks. Use a dataset of this package, or rename'
        )
    for complaint in complaints:
        _warn(complaint)
    if missing:
        _write(missing_file, list(missing))
        _warn(
            f'{len(missing)} of {len(videos)} videos are not in '
            f'{args.videos}, all named in {missing_file}:'
        )
        for video in list(missing)[:SHOWN]:
            _warn(f'  {video}')
        if len(missing) > SHOWN:
            _warn(f'  and {len(missing) - SHOWN} more')
        if len(missing) == len(videos):
            _warn(
                'none was found: is this the directory that contains the '
                'directories of the classes?'
            )
    return int(
        bool(missing)
        and not args.allow_missing
        or bool(complaints)
        and not args.allow_other_counts
    )


def _write(path: Path, lines: list[str]) -> None:
    with open(path, 'w', newline='\n', **TEXT) as file:
        file.writelines(f'{line}\n' for line in lines)


def _warn(text: str) -> None:
    # Names that are not valid text must not break the report.
    text = text.encode('utf-8', 'backslashreplace').decode('utf-8')
    print(f'prepare.py: {text}', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(main())
