"""Frames of the target's videos, as images to pretrain on."""

import shutil
from functools import partial
from pathlib import Path

import cv2

from ..files import part_of
from ..media.video import read_frame


def write_frames(root: Path, names: list[str], num: int, out: Path) -> None:
    """Write frames as PNG files, spaced evenly over videos and within each.

    Calls side by side do not disturb each other.

    Args:
        root: Directory of the videos.
        names: Their paths below it.
        num: Number of frames.
        out: Directory to make. Nothing is done if it exists.

    Raises:
        OSError: If a frame cannot be written.
    """
    if out.exists():
        return
    part = part_of(out)
    part.mkdir(parents=True)
    for number, name in enumerate(names):
        count = len(range(number, num, len(names)))
        for k in range(count):
            img = read_frame(
                str(root / name), partial(_frame_at, (k + 0.5) / count)
            )
            path = part / f'{number:03d}_{k:03d}.png'
            if not cv2.imwrite(str(path), img[..., ::-1]):
                raise OSError(f'cannot write {path}: is the disk full?')
    try:
        part.rename(out)
    except OSError:
        if not out.exists():
            raise
        shutil.rmtree(part)  # another call was faster


def _frame_at(share: float, length: int) -> int:
    return int(share * length)
