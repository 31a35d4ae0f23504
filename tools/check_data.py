"""Find the images and videos that cannot be read, before a night's run does.

    python tools/check_data.py DIR [--jobs 8] [--output bad.tsv]
    python tools/check_data.py LIST.txt --root DIR

Every image is decoded, and of every video the first, the middle and the last
frame. Files that crash or stall what reads them are bad files, too. The exit
code is 1 if there is a bad file, 0 if there is none.
"""

import argparse
import os
import os.path as osp
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

from mmengine.utils import ProgressBar

from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.image import decode_image, read_bytes
from mosi_mmaction.media.paths import kind_of, read_list, scan_tree
from mosi_mmaction.media.video import Video


def check(path: str) -> str | None:
    """Read a file; return what is wrong with it, or None."""
    try:
        if kind_of(path)[1] == 'image':
            decode_image(read_bytes(path), path)
            return None
        video = Video(path)
        last = video.num_frames - 1
        for index in sorted({0, last // 2, last}):
            try:
                video.read([index])
            except BadSourceError as error:
                return f'frame {index} of {last + 1}: {error.reason}'
    except BadSourceError as error:
        return error.reason
    return None


def _serve(connection: Connection, function: Callable) -> None:
    while True:
        connection.send(function(connection.recv()))


class _Worker:
    def __init__(self, function: Callable) -> None:
        self._function = function
        self._start()

    def _start(self) -> None:
        # Not 'spawn', which would import everything once more for each.
        context = get_context('fork')
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, self._function), daemon=True
        )
        self.process.start()
        theirs.close()

    def take(self, path: str) -> None:
        self.path, self.since = path, time.monotonic()
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
    function: Callable[[str], str | None] = check,
) -> Iterator[tuple[str, str | None]]:
    """Check many files in parallel.

    Args:
        paths: The files.
        jobs: Number of processes.
        seconds: Time a file may take.
        function: Returns what is wrong with a file, or None. It may crash
            or hang.

    Yields:
        Path, and what is wrong or None, in the order of completion.
    """
    todo = iter(paths)
    workers = [_Worker(function) for _ in range(min(jobs, len(paths)))]
    busy = dict(zip(workers, todo))
    for worker, path in busy.items():
        worker.take(path)
    while busy:
        ready = wait([w.connection for w in busy], 0.2)
        for worker in list(busy):
            if worker.connection in ready:
                try:
                    reason = worker.connection.recv()
                except (EOFError, ConnectionError):
                    reason = (
                        'the process that read it died (exit code '
                        f'{worker.restart()})'
                    )
            elif time.monotonic() - worker.since > seconds:
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
    """Return the files of a folder or a list.

    Raises:
        FileNotFoundError: If it does not exist.
    """
    if osp.isdir(source):
        return [osp.join(source, path) for path in scan_tree(source)]
    if not osp.isfile(source):
        raise FileNotFoundError(
            f'there is neither a folder nor a list {source!r}'
        )
    root = osp.dirname(source) if root is None else root
    return [osp.join(root, path) for path in read_list(source, root)]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Find images and videos that cannot be read'
    )
    parser.add_argument(
        'source',
        help='folder, or list file: a path on each line, which a '
        'label may follow',
    )
    parser.add_argument(
        '--root',
        help='folder that the paths of a list are relative to; '
        'default: that of the list',
    )
    parser.add_argument(
        '--jobs', type=int, default=os.cpu_count(), help='number of processes'
    )
    parser.add_argument(
        '--timeout',
        type=float,
        default=60,
        metavar='SECONDS',
        help='a file that takes longer is bad',
    )
    parser.add_argument(
        '--output',
        metavar='FILE',
        help='write the bad files here, each with a tab and the reason',
    )
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error(f'--jobs {args.jobs}: at least 1')
    return args


def main() -> int:
    """Run the tool."""
    args = parse_args()
    paths = list_paths(args.source, args.root)
    if not paths:
        raise ValueError(f'{args.source} holds no image and no video')
    progress = ProgressBar(len(paths), file=sys.stderr)
    bad = {}
    for path, reason in check_all(paths, args.jobs, args.timeout):
        if reason is not None:
            bad[path] = reason
        progress.update()
    print(file=sys.stderr)
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
