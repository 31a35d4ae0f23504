"""Source images from photographs, videos or extracted frames."""

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np
from mmaction.registry import DATASETS
from mmengine import fileio
from mmengine.logging import print_log

from ..media.paths import (
    IMAGE_EXTENSIONS,
    VIDEO_EXTENSIONS,
    PathList,
    check_list,
    describe_counts,
    extension,
    given_halves,
    in_validation,
    join,
    kind_of,
    read_list,
    scan_tree,
)
from ..media.storage import list_files
from .bad_files import BadFilePolicy, BadFiles
from .source_dataset import SourceDataset


@DATASETS.register_module()
class SourceImageDataset(SourceDataset):
    """Unlabelled sources from a directory tree or a list file.

    Added Keys:
        - img_path (str) for an image, filename (str) for a video, or
          frame_dir (str) for a directory of extracted frames.
        - backend_args (dict, optional): For the loading transforms.
        - rng, sample_idx: See :class:`SourceDataset`.

    Args:
        data_root: Directory that paths are relative to.
        ann_file: Path of a list file, relative to ``data_root`` or not; see
            :func:`~mosi_mmaction.media.paths.read_list` for its lines. If
            empty, the tree is scanned in natural order.
        data_prefix: Directory of the sources below ``data_root``.
        frame_dirs: Whether sources are directories of frames. One frame is
            drawn from each, as from a video.
        split: Part of the files, ``'train'`` or ``'val'``, chosen by a hash
            of the relative path, so that adding files moves no others; None
            keeps all. A tree whose files all lie in directories of these
            names (see :data:`~mosi_mmaction.media.paths.HALVES`) is split as
            given; without ``'val'``, it is ``'test'``.
        val_fraction: Expected share of ``'val'``, unless the split is given.
        backend_args: Arguments of MMEngine's file backends; None is the local
            disk.
        bad_files: Policy for unreadable files: ``'skip'`` replaces a file by
            another source drawn from the same stream and logs it once;
            ``'raise'`` stops. None stops with ``test_mode`` and otherwise
            skips.
        max_bad_fraction: Share of unreadable files above which ``'skip'``
            stops too, with a list of them.
        **kwargs: Arguments of :class:`SourceDataset`: ``pipeline``,
            ``test_mode``, ``metainfo``.

    Raises:
        FileNotFoundError: If the directory or the list does not exist.
        ValueError: If an argument is out of range, a list line cannot be
            read, or there is no source at all.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str = '',
        data_prefix: str = '',
        frame_dirs: bool = False,
        split: str | None = None,
        val_fraction: float = 0.1,
        backend_args: dict | None = None,
        bad_files: str | None = None,
        max_bad_fraction: float = 0.1,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if split not in (None, 'train', 'val'):
            raise ValueError(
                f"split={split!r}: allowed are None, 'train' and 'val'"
            )
        if not 0 < val_fraction < 1:
            raise ValueError(
                f'val_fraction={val_fraction!r}: allowed is a share in (0, 1)'
            )
        policy = BadFilePolicy(bad_files, max_bad_fraction, self.test_mode)
        self.data_root = os.fspath(data_root)
        self.ann_file = os.fspath(ann_file)
        self.frame_dirs = frame_dirs
        self.backend_args = backend_args
        self.root = (
            join(self.data_root, data_prefix, backend_args)
            if data_prefix
            else self.data_root
        )
        left_out: Counter = Counter()
        paths = self._list_paths(left_out)
        if split is not None:
            paths = self._half(list(paths), split, val_fraction)
        self.paths = PathList(paths)
        other = describe_counts(left_out)
        if not len(self.paths):
            where = self.ann_file or self.root
            found = f'; what was found: {other}' if other else ''
            raise ValueError(
                f'SourceImageDataset found no source in {where!r} '
                f'(split={split!r}, frame_dirs={frame_dirs}): check data_root '
                'and ann_file; a tree must contain image or video files. With '
                f'few files, the split by a hash may contain none{found}'
            )
        if other and split != 'val':  # said of the other half of the tree
            print_log(
                f'{self.root}: {other} left out: no kind of file that is '
                'read here',
                'current',
            )
        if self.ann_file:
            check_list(self.paths, self.ann_file, self.root, backend_args)
        self._bad_files = BadFiles(policy, len(self.paths))

    def _half(
        self, paths: list[str], split: str, val_fraction: float
    ) -> list[str]:
        given = {} if self.ann_file else given_halves(paths)
        if not given:
            held_out = split == 'val'
            return [
                p for p in paths if in_validation(p, val_fraction) == held_out
            ]
        half = split if split in given else 'test'
        print_log(
            f'{self.root}: its directories {sorted(given)} are given halves; '
            f'{split!r} is {half!r}, and val_fraction is not used',
            'current',
        )
        return [paths[i] for i in given[half]]

    def _list_paths(self, left_out: Counter):
        args = self.backend_args
        if not self.ann_file:
            if not fileio.isdir(self.root, args):
                raise FileNotFoundError(
                    f'data_root: there is no directory {self.root!r}; set '
                    'data_root in the config, or the environment variable '
                    'MOSI_DATA if the config reads it'
                )
            return scan_tree(self.root, self.frame_dirs, args, left_out)
        ann_file = join(self.data_root, self.ann_file, args)
        if not fileio.exists(ann_file, args):
            ann_file = self.ann_file
        if not fileio.exists(ann_file, args):
            raise FileNotFoundError(
                f'ann_file: there is no list {self.ann_file!r}, neither '
                f'below {self.data_root!r} nor at this path; '
                'tools/data/prepare.py writes those of UCF101 and HMDB51'
                + self._other_config()
            )
        return read_list(ann_file, self.root, args)

    def _other_config(self) -> str:
        """Name the configs of a directory that needs no list."""
        args = self.backend_args
        if not fileio.isdir(self.data_root, args):
            return ''
        files = islice(list_files(self.data_root, True, args), 10_000)
        kinds = Counter(map(extension, files))
        images = sum(kinds[kind] for kind in IMAGE_EXTENSIONS)
        videos = sum(kinds[kind] for kind in VIDEO_EXTENSIONS)
        if not images and not videos:
            return ''
        what = 'photographs' if images >= videos else 'videos'
        return (
            f'. {self.data_root!r} is a directory of {what}; the configs '
            'that take one without a list are mosi_r2p1d_imagenet, '
            'mosi_r2d3d_imagenet and, for a CPU, tiny/mosi_r2p1d_images'
        )

    def __len__(self) -> int:
        """Number of sources."""
        return len(self.paths)

    def path_of(self, idx: int) -> str:
        """Return the path of one source."""
        return join(self.root, self.paths[int(idx)], self.backend_args)

    def directory(self) -> str:
        """Return what sets the directory of the sources, for messages."""
        of = f'The paths of {self.ann_file!r}' if self.ann_file else 'They'
        return (
            f'{of} are looked for below {self.root!r}, which is data_root of '
            'the dataset; our configs read it from the environment variable '
            'MOSI_DATA'
        )

    def get_data_info(self, idx: int) -> dict:
        """Return the keys of one source, before the pipeline."""
        path = self.path_of(idx)
        key = 'frame_dir' if self.frame_dirs else kind_of(path)[0]
        return {key: path, 'backend_args': self.backend_args}

    def load(
        self,
        idx: int,
        rng: np.random.Generator,
        steps: Callable[[dict], dict],
    ) -> dict:
        """Like the base's, of a replacement if the source is unreadable.

        Raises:
            BadSourceError: If the policy is to stop, or too many are.
        """
        read = partial(super().load, steps=steps)
        return self._bad_files.load(self, idx, rng, read)
