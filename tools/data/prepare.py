#!/usr/bin/env python
"""Write MMAction2's list files for UCF101 or HMDB51.

    python tools/data/prepare.py hmdb51 --splits testTrainMulti_7030_splits \
        --videos data/hmdb51/videos --out data/hmdb51

reads the official split files as distributed (CRLF or LF, in the folder
itself or in one below it) and writes, for splits 1 to 3,

    OUT/hmdb51_train_split_1_videos.txt
    OUT/hmdb51_val_split_1_videos.txt

with one line ``<class>/<video>.avi <label>`` a video, relative to VIDEOS.
Labels count from 0: UCF101 in the order of classInd.txt, HMDB51 in that of
the sorted class names. ``val`` is the official test half.

Videos that are not in VIDEOS are named on the screen and in
OUT/hmdb51_missing.txt, and the exit status is 1. The lists are written all
the same, complete, so that nothing has to be run again once the videos are
there. With --allow-missing the lists hold only the videos that are there,
and the exit status is 0.

Exit status: 0 when all is well; 1 when videos are missing or the number of
videos of a list is not the official one (--allow-other-counts lets that
pass, for splits of one's own); 2, and nothing is written, when the split
files cannot be understood.
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
        help='official split files',
    )
    parser.add_argument(
        '--videos',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder of <class>/<video>.avi',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='where the lists go',
    )
    parser.add_argument(
        '--allow-missing',
        action='store_true',
        help='leave missing videos out of the lists',
    )
    parser.add_argument(
        '--allow-other-counts',
        action='store_true',
        help='accept split files that are not the official',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args, package=False)


SPLITS = (1, 2, 3)
SHOWN = 20  # missing videos named on the screen; the file names them all

# File names are bytes on most systems; whatever they are, they survive.
TEXT = {'encoding': 'utf-8', 'errors': 'surrogateescape'}

Entries = list[tuple[str, int]]  # (path relative to VIDEOS, label)


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Read a text file without its empty lines.

    Args:
        path: File with LF or CRLF.

    Returns:
        (place, line) pairs; the place is ``'file:number'``, for messages.
        Blanks before a line belong to it, those behind it do not.
    """
    # Not splitlines(), which also splits at characters that a file name
    # may hold.
    with open(path, newline='', **TEXT) as file:
        lines = file.read().split('\n')
    return [
        (f'{path}:{number}', line.rstrip())
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def split_number(place: str, line: str) -> tuple[str, int]:
    """Split a line into a name, blanks and # included, and a number.

    Raises:
        ValueError: If the line does not end in a blank and a number.
    """
    match = re.fullmatch(r'(.*\S)\s+(\d+)', line)
    if not match:
        raise ValueError(f'{place}: {line!r} is not "<video> <number>"')
    return match[1], int(match[2])


def find_folder(folder: Path, pattern: str) -> Path:
    """Return the one folder at or below ``folder`` that holds split files.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several.
    """
    if any(folder.glob(pattern)):
        return folder
    found = sorted({path.parent for path in folder.rglob(pattern)})
    if not found:
        raise FileNotFoundError(
            f'--splits {folder}: no file {pattern} there or below; give the '
            'folder of the official split files'
        )
    if len(found) > 1:
        raise ValueError(
            f'--splits {folder}: several folders hold {pattern}: '
            f'{", ".join(map(str, found))}; give one of them'
        )
    return found[0]


def read_ucf101(splits: Path) -> dict[tuple[int, str], Entries]:
    """Read UCF101's classInd, trainlist and testlist files.

    Args:
        splits: Folder of the files.

    Returns:
        Lists by (split, ``'train'`` or ``'val'``).

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a line is not understood, or a label is not that of
            the video's class.
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
        splits: Folder of the files.

    Returns:
        Lists by (split, ``'train'`` or ``'val'``).

    Raises:
        FileNotFoundError: If a class lacks a split.
        ValueError: If a line is not understood.
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
        name: ``'ucf101'`` or ``'hmdb51'``.
        lists: Lists by (split, half), as in the split files.

    Returns:
        One complaint a list; empty when all is well.
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
            raise FileNotFoundError(f'--videos {args.videos}: no such folder')
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
    missing_file.unlink(missing_ok=True)  # that of an earlier run

    blank = [video for video in videos if re.search(r'\s', video)]
    if blank:
        _warn(
            f'{len(blank)} names hold blanks, such as {blank[0]!r}; they '
            "are written as they are, but MMAction2's own reader splits "
            'lines at blanks. Use a data set of this package, or rename'
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
                'none was found: is that the folder that holds the '
                'folders of the classes?'
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
    # Names that are no valid text must not break the report.
    text = text.encode('utf-8', 'backslashreplace').decode('utf-8')
    print(f'prepare.py: {text}', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(main())
