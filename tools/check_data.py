"""Find unreadable images and videos before a long run fails on them.

    python tools/check_data.py DIR [--jobs 8] [--output bad.tsv]
    python tools/check_data.py LIST.txt --root DIR
    python tools/check_data.py DIR --all-frames --videos videos.tsv

Every image is decoded, and the first, the middle and the last frame of every
video, or all of its frames. Files that crash or stall their reader are bad
files too. The exit code is 1 if there is a bad file, and 0 otherwise. A video
whose header states a wrong number of frames is reported but is not bad, as
that number is not used.
"""

import argparse
import os
import os.path as osp
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

from tqdm import tqdm

from mosi_mmaction.cli.start import start


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Find images and videos that cannot be read'
    )
    parser.add_argument(
        'source',
        help='directory, or list file with one path per line, which a '
        'label may follow',
    )
    parser.add_argument(
        '--root',
        help='directory that the paths of a list are relative to '
        '(default: that of the list)',
    )
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='number of processes'
    )
    parser.add_argument(
        '--timeout',
        type=float,
        default=60,
        metavar='SECONDS',
        help='time limit: a file that takes longer is bad',
    )
    parser.add_argument(
        '--output',
        metavar='FILE',
        help='file to write the bad files to, each with a tab and the reason',
    )
    parser.add_argument(
        '--all-frames',
        action='store_true',
        help='decode all frames of every video',
    )
    parser.add_argument(
        '--videos',
        metavar='FILE',
        help='file to write a table of the readable videos to: path, '
        'decoder, container, codec, how frames are found, number of frames '
        'stated in the header (0: none), number of frames',
    )
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error(f'--jobs {args.jobs}: at least 1')
    return args


if __name__ == '__main__':
    start(parse_args, package=False)


from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.image import decode_image, read_bytes
from mosi_mmaction.media.paths import kind_of, read_list, scan_tree
from mosi_mmaction.media.video import VideoFile, inspect


def check(path: str, all_frames: bool = False) -> str | dict | None:
    """Read a file.

    Args:
        path: Path of the file.
        all_frames: Whether to decode all frames of a video.

    Returns:
        What is wrong with the file; if nothing is, None or the facts of a
        video.
    """
    try:
        if kind_of(path)[1] == 'image':
            decode_image(read_bytes(path), path)
            return None
        if all_frames:
            facts = inspect(path)
            lost = facts['num_frames'] - facts['decoded_frames']
            if not facts['decoded_frames']:
                return 'no frame of it can be decoded'
            if lost > 0:
                return (
                    f'{lost} of {facts["num_frames"]} frames cannot be decoded'
                )
            return facts
        video = VideoFile(path)
        last = video.num_frames - 1
        for index in sorted({0, last // 2, last}):
            try:
                video.read([index])
            except BadSourceError as error:
                return f'frame {index} of {last + 1}: {error.reason}'
        return video.facts
    except BadSourceError as error:
        return error.reason


def _serve(connection: Connection, function: Callable) -> None:
    while True:
        connection.send(function(connection.recv()))


class _Worker:
    def __init__(self, function: Callable) -> None:
        self._function = function
        self._start()

    def _start(self) -> None:
        # Not 'spawn', which would import everything again for each process.
        context = get_context('fork')
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, self._function), daemon=True
        )
        self.process.start()
        theirs.close()

    def take(self, path: str) -> None:
        self.path, self.seconds = path, 0.0
        self.connection.send(path)

    def stop(self) -> int | None:
        self.process.join(0.5)
        self.process.kill()
        self.process.join()
        self.connection.close()
        return self.process.exitcode

    def restart(self) -> int | None:
        code = self.stop()
        self._start()
        return code


def check_all(
    paths: Sequence[str],
    jobs: int,
    seconds: float,
    function: Callable[[str], str | dict | None] = check,
) -> Iterator[tuple[str, str | dict | None]]:
    """Check many files in parallel.

    Args:
        paths: Paths of the files.
        jobs: Number of processes.
        seconds: Time limit per file.
        function: Function that returns what is wrong with a file as a string,
            and anything else if nothing is. It may crash or hang.

    Yields:
        Path and return value of the function, in the order of completion.
    """
    todo = iter(paths)
    workers = [_Worker(function) for _ in range(min(jobs, len(paths)))]
    busy = dict(zip(workers, todo))
    for worker, path in busy.items():
        worker.take(path)
    last = time.monotonic()
    while busy:
        ready = wait([w.connection for w in busy], 0.2)
        # At most a second, as the job may have been suspended for long.
        passed, last = min(time.monotonic() - last, 1), time.monotonic()
        for worker in list(busy):
            worker.seconds += passed
            if worker.connection in ready:
                try:
                    reason = worker.connection.recv()
                except (EOFError, ConnectionError):
                    reason = (
                        'the process that read it died (exit code '
                        f'{worker.restart()})'
                    )
            elif worker.seconds > seconds:
                reason = f'took more than {seconds:g} s'
                worker.process.kill()
                worker.restart()
            else:
                continue
            yield busy.pop(worker), reason
            path = next(todo, None)
            if path is None:
                worker.process.kill()
                worker.stop()
            else:
                busy[worker] = path
                worker.take(path)


def list_paths(source: str, root: str | None) -> list[str]:
    """Return the files of a directory or a list.

    Raises:
        FileNotFoundError: If it does not exist.
    """
    if osp.isdir(source):
        return [osp.join(source, path) for path in scan_tree(source)]
    if not osp.isfile(source):
        raise FileNotFoundError(
            f'there is neither a directory nor a list {source!r}'
        )
    root = osp.dirname(source) if root is None else root
    return [osp.join(root, path) for path in read_list(source, root)]


def report_videos(videos: dict[str, dict], output: str | None) -> None:
    """Print which decoders read the videos, and whose headers are wrong.

    Args:
        videos: Facts by path.
        output: File to write a table of all videos to, or None.
    """
    rows = []
    readers: Counter = Counter()
    for path, facts in videos.items():
        way = 'by time stamps' if facts['seeks'] else 'in order'
        row = [facts['decoder'], facts['container'], facts['codec'], way]
        readers[', '.join(row)] += 1
        header, frames = facts['header_frames'], facts['num_frames']
        rows.append('\t'.join([path, *row, str(header), str(frames)]))
        if header and header != frames:
            print(
                f'{path!r}: the header states {header} frames, but there are '
                f'{frames}'
            )
    for row, number in readers.most_common():
        print(f'{number} videos are read by {row}')
    if output:
        with open(output, 'wb') as file:
            for row in rows:
                file.write(row.encode('utf-8', 'backslashreplace') + b'\n')


def main() -> int:
    """Run the tool."""
    args = parse_args()
    paths = list_paths(args.source, args.root)
    if not paths:
        raise ValueError(f'{args.source} contains no image and no video')
    bad, videos = {}, {}
    function = partial(check, all_frames=args.all_frames)
    checked = check_all(paths, args.jobs, args.timeout, function)
    for path, found in tqdm(checked, total=len(paths), unit='file'):
        if isinstance(found, str):
            bad[path] = found
        elif found is not None:
            videos[path] = found
    report_videos({p: videos[p] for p in paths if p in videos}, args.videos)
    lines = [f'{path}\t{bad[path]}' for path in paths if path in bad]
    report = '\n'.join(lines).encode('utf-8', 'backslashreplace')
    if args.output:
        with open(args.output, 'wb') as file:
            file.write(report + b'\n' * bool(lines))
    print(report.decode() or 'all files can be read')
    print(f'{len(bad)} of {len(paths)} files are bad')
    return int(bool(bad))


if __name__ == '__main__':
    sys.exit(main())
