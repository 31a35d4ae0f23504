"""Which checkpoint a resumed run starts from."""

import os
import os.path as osp
import re
from collections.abc import Callable

from .files import whole


def find_resume(
    work_dir: str,
    filename_tmpl: str = 'epoch_{}.pth',
    report: Callable[[str], object] = print,
) -> str | None:
    """Return the newest whole checkpoint of a run, None if it has none.

    Args:
        work_dir: Directory of the run. Its file ``last_checkpoint``, if it
            is there, says which one is the latest, and in which directory.
        filename_tmpl: Name of a checkpoint, with the step as ``{}``.
        report: Called with a message for every file that is passed over, as
            it is not whole.

    Raises:
        ValueError: If there are checkpoints, but none is whole.
    """
    candidates = _candidates(work_dir, filename_tmpl)
    for path in candidates:
        if whole(path):
            return path
        report(
            f'{path} is not whole (the disk was full, or the file was '
            'copied in part): it is skipped, and the one before it '
            'resumed from'
        )
    if candidates:
        raise ValueError(
            f'--resume: no checkpoint of {work_dir} is whole: '
            f'{", ".join(candidates)}; remove them to start anew'
        )
    return None


def _candidates(work_dir: str, filename_tmpl: str) -> list[str]:
    """Return the files of a run: the latest, and those before it."""
    pointer = osp.join(work_dir, 'last_checkpoint')
    latest = ''
    if osp.isfile(pointer):
        with open(pointer, encoding='utf-8') as file:
            latest = file.read().strip()
    # A run may have been moved together with its work_dir.
    if latest and not osp.isfile(latest):
        latest = osp.join(work_dir, osp.basename(latest))
    folder = osp.dirname(latest) or work_dir
    pattern = re.compile(
        re.escape(filename_tmpl).replace(r'\{\}', r'(\d+)') + '$'
    )
    found = {}
    for name in os.listdir(folder) if osp.isdir(folder) else ():
        match = pattern.match(name)
        if match:
            found[int(match[1])] = osp.join(folder, name)
    steps = sorted(found, reverse=True)
    match = pattern.match(osp.basename(latest))
    if match:
        # What has a higher number is of an older, longer run.
        steps = [step for step in steps if step <= int(match[1])]
    return [found[step] for step in steps]
