"""Find videos and read the clips that a config tests."""

import os.path as osp
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose

from ..media.paths import decode_lines, join, kind_of, read_list, scan_tree


class Video(NamedTuple):
    """A video file; the label is '' if none is known."""

    path: str
    label: str

    @property
    def name(self) -> str:
        """File name without directory and extension."""
        return osp.splitext(osp.basename(self.path))[0]


def find_videos(sources: Iterable[str], data_root: str = '') -> list[Video]:
    """List videos, with their labels if known.

    Args:
        sources: Video files; directories, whose first level of
            subdirectories is the label; list files (``.txt``) with a label at
            the end of each line, whose name is taken from ``classes.txt``
            beside the list if there is one.
        data_root: Directory that the paths in list files are relative to.

    Raises:
        FileNotFoundError: If a source or a listed video does not exist.
        ValueError: If there is no video.
    """
    videos, origin = [], {}
    for source in sources:
        if osp.isdir(source):
            for path in scan_tree(source):
                if kind_of(path)[1] == 'video':
                    parts = path.replace('\\', '/').split('/')
                    label = parts[0] if len(parts) > 1 else ''
                    videos.append(Video(join(source, path), label))
        elif source.endswith('.txt') and osp.isfile(source):
            raw = Path(source).read_bytes()
            lines = [line for _, line in decode_lines(raw, source)]
            names = names_beside(source) or []
            for path, line in zip(read_list(source, data_root), lines):
                words = line[len(path) :].split()
                label = words[-1] if words else ''
                if label.isdecimal() and int(label) < len(names):
                    label = names[int(label)]
                videos.append(Video(join(data_root, path), label))
                origin[videos[-1].path] = source
        else:
            videos.append(Video(source, ''))
    for video in videos:
        if not osp.isfile(video.path):
            text = f'there is no video {video.path!r}'
            if video.path in origin:
                where = (
                    repr(data_root) if data_root else 'the working directory'
                )
                text += (
                    f'; the lines of {origin[video.path]!r} are looked for '
                    f'below {where}: set the data root'
                )
            raise FileNotFoundError(text)
    if not videos:
        raise ValueError(f'no video in {list(sources)}')
    return videos


def names_beside(ann_file: str) -> list[str] | None:
    """Return the names of the classes of a list of videos, or None.

    They are the lines of ``classes.txt`` beside it, as
    tools/data/split_videos.py writes it.
    """
    path = osp.join(osp.dirname(ann_file), 'classes.txt')
    return read_names(path) if osp.isfile(path) else None


def read_names(path: str) -> list[str]:
    """Return the names of classes in a file, one a line."""
    lines = decode_lines(Path(path).read_bytes(), path)
    return [text.strip() for _, text in lines]


def read_clips(
    path: str, clip_len: int, interval: int, num_clips: int = 1
) -> np.ndarray:
    """Read clips spaced evenly over a video; a single one from its middle.

    They are read by the transforms of fine-tuning and testing.

    Returns:
        (num_clips, clip_len, H, W, 3) uint8 RGB. A video that is too short
        is repeated from its beginning.
    """
    steps = [
        dict(type='VideoInit'),
        dict(
            type='SampleFrames',
            clip_len=clip_len,
            frame_interval=interval,
            num_clips=num_clips,
            test_mode=True,
        ),
        dict(type='VideoDecode'),
    ]
    results = dict(filename=path, modality='RGB', start_index=0)
    imgs = Compose([TRANSFORMS.build(s) for s in steps])(results)['imgs']
    return np.stack(imgs).reshape(num_clips, clip_len, *imgs[0].shape)
