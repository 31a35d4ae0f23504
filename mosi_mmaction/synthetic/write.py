"""Write the sprite actions to MP4 files, with their lists."""

import json
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..files import write_text
from ..media.mp4 import write_mp4
from .sprite_actions import (
    ACTIONS,
    check_frames,
    draw_action,
    draw_look,
    render_action,
)


def list_action_videos(
    videos_per_class: int, split: str, actions: Sequence[str] = ACTIONS
) -> list[str]:
    """Return the lines of the list that write_action_videos writes.

    Args:
        videos_per_class: Number of videos of every class.
        split: Name of the split.
        actions: Classes, in the order of the labels.

    Returns:
        ``<split>/<class>/<file> <label>``, without line endings.
    """
    return [
        f'{split}/{action}/{action}_{split}_{i:03d}.mp4 {label}'
        for label, action in enumerate(actions)
        for i in range(videos_per_class)
    ]


def write_action_videos(
    root: str | os.PathLike,
    videos_per_class: int,
    split: str,
    seed: int = 0,
    *,
    height: int = 64,
    width: int = 64,
    num_frames: int = 40,
    fps: float = 25,
    actions: Sequence[str] = ACTIONS,
) -> list[Path]:
    """Write the videos of one split and their list file.

    Files are ``root/<split>/<class>/<class>_<split>_<nnn>.mp4``; the lines
    of ``root/<split>.txt`` are ``<split>/<class>/<file> <label>``, where a
    label is the class's place in ``actions``. Number ``nnn`` has the same
    look in every class, and looks are drawn from ``seed`` and ``split``. A
    video does not depend on how many others there are. Videos of an earlier
    call with the same settings are kept; the settings are remembered in
    ``root/<split>.json``.

    Args:
        root: Directory to write to; made if it does not exist.
        videos_per_class: Number of videos of every class.
        split: Name of the split: letters, digits and underscores.
        seed: Seed that, together with ``split``, decides every pixel.
        height: Height of the frames in pixels, even.
        width: Width of the frames in pixels, even.
        num_frames: Number of frames of every video.
        fps: Number of frames a second, as written into the files.
        actions: Classes to write, some of :data:`ACTIONS`.

    Returns:
        Path of every video, class by class, in the order of the list file.

    Raises:
        ValueError: If an argument is not as described above, or ``root``
            contains the same split with other settings.
        OSError: If OpenCV cannot write videos here.
    """
    unknown = [a for a in actions if a not in ACTIONS]
    if unknown or len(set(actions)) < len(actions) or not actions:
        raise ValueError(
            f'actions={tuple(actions)!r}: use different ones '
            f'from {", ".join(ACTIONS)}'
        )
    if not re.fullmatch(r'\w+', split):
        raise ValueError(
            f'split={split!r}: it names files, so use letters, '
            'digits and underscores only'
        )
    if videos_per_class < 1:
        raise ValueError(
            f'videos_per_class={videos_per_class}: must be at least 1'
        )
    check_frames((height, width), num_frames)
    if height % 2 or width % 2:
        raise ValueError(
            f'frames of {height}x{width} pixels: the codec '
            'needs an even height and width'
        )
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    settle(
        root,
        split,
        {
            'seed': seed,
            'height': height,
            'width': width,
            'num_frames': num_frames,
            'fps': fps,
        },
        f'*_{split}_*.mp4',
    )

    lines = list_action_videos(videos_per_class, split, actions)
    jobs = [
        (root / line.split()[0], actions[n // videos_per_class], n)
        for n, line in enumerate(lines)
    ]
    stream = (seed, zlib.crc32(split.encode()))
    todo = [job for job in jobs if not job[0].exists()]
    for path, action, n in tqdm(todo, split, unit='video', disable=not todo):
        i = n % videos_per_class
        look = draw_look(np.random.default_rng((*stream, 0, i)))
        motion = np.random.default_rng((*stream, 1, ACTIONS.index(action), i))
        plan = draw_action(action, (height, width), num_frames, motion)
        write_mp4(path, render_action(plan, look), fps)
    text = ''.join(f'{line}\n' for line in lines)
    write_text(root / f'{split}.txt', text)
    return [path for path, _, _ in jobs]


def settle(root: Path, split: str, settings: dict, pattern: str) -> None:
    """Ensure that all videos of the split have these settings.

    Args:
        root: Directory of the splits.
        split: Directory of the videos, ``root/split/<class>/<class>_*.mp4``.
        settings: Plain values that JSON keeps.
        pattern: Names of the videos, as for :meth:`pathlib.Path.glob`; those
            of unknown settings are deleted.

    Raises:
        ValueError: If there are videos written with other settings.
    """
    path = root / f'{split}.json'
    if path.exists():
        found = json.loads(path.read_text())
        if found != settings:
            raise ValueError(
                f'{path} says that the videos there have the settings '
                f'{found}, but {settings} are requested: use another root, '
                f'or delete {path} to write them again'
            )
        return
    # It is unknown how these were made, and they would pass for ours.
    for video in root.glob(f'{split}/*/{pattern}'):
        if video.name.startswith(f'{video.parent.name}_'):
            video.unlink()
    write_text(path, json.dumps(settings))
