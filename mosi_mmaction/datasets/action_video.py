"""Labelled videos for fine-tuning, with the policy for bad files."""

import os
import os.path as osp
import re
import stat
from collections.abc import Callable, Sequence

import numpy as np
from mmaction.datasets import VideoDataset
from mmaction.registry import DATASETS, TRANSFORMS

from ..media.paths import check_list, decode_lines
from .bad_files import BadFilePolicy, BadFiles
from .samplers.epoch_sampler import sample_rng


@DATASETS.register_module()
class ActionVideoDataset(VideoDataset):
    """MMAction2's VideoDataset, made robust against bad files and odd paths.

    A line of the list is a path and a label, an integer from 0, or several
    labels with ``multi_class``. The path may contain blanks, and unreadable
    lines are named. With ``test_mode`` the label may be missing (-1).

    Added Keys:
        - filename (str), label (int), start_index (int), modality (str)
        - rng, sample_idx: See :class:`SourceDataset`.

    Args:
        ann_file: Path of the list file, UTF-8.
        pipeline: Transforms, or their configs. ``VideoInit`` and
            ``VideoDecode`` raise the error to which the policy applies.
        bad_files: See :class:`~.bad_files.BadFilePolicy`.
        max_bad_fraction: See there.
        **kwargs: Arguments of VideoDataset: ``data_prefix=dict(video=...)``,
            ``test_mode``, ``multi_class``, ``num_classes``, ``delimiter``.

    Attributes:
        top_label: Largest label of the list, once it has been read.

    Raises:
        FileNotFoundError: If there is no list.
        ValueError: If an argument is out of range, a line cannot be read,
            or there is none.
    """

    def __init__(
        self,
        ann_file: str,
        pipeline: Sequence[dict | Callable],
        bad_files: str | None = None,
        max_bad_fraction: float = 0.1,
        **kwargs,
    ) -> None:
        self._policy = BadFilePolicy(
            bad_files, max_bad_fraction, kwargs.get('test_mode', False)
        )
        # Built from MMAction2's registry: MMEngine's own Compose looks into
        # the root registry unless a runner has set a default scope.
        steps = [
            TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline
        ]
        super().__init__(ann_file, pipeline=steps, **kwargs)

    def full_init(self) -> None:
        """Read the list, unless it has been read."""
        if not self._fully_initialized:
            super().full_init()
            self._bad_files = BadFiles(self._policy, len(self))

    def load_data_list(self) -> list[dict]:
        """Read the list file: one dict per line."""
        if not osp.isfile(self.ann_file):
            raise FileNotFoundError(
                f'ann_file: there is no list {self.ann_file!r}; '
                'tools/data/prepare.py writes those of UCF101 and HMDB51, '
                'tools/data/split_videos.py those of your own videos. Some '
                'configs read their directory from MOSI_SPLITS'
            )
        with open(self.ann_file, 'rb') as file:
            raw = file.read()
        infos = [
            self._read_line(line.strip(), number)
            for number, line in decode_lines(raw, self.ann_file)
        ]
        if not infos:
            raise ValueError(f'ann_file: {self.ann_file} lists no video')
        root = self.data_prefix['video']
        prefix = osp.join(root, '') if root else ''
        few = infos[:: len(infos) // 8 + 1]
        paths = [info['filename'].removeprefix(prefix) for info in few]
        check_list(paths, self.ann_file, root)
        self.top_label = max(
            int(np.max(info['label'], initial=-1)) for info in infos
        )
        return infos

    def _read_line(self, line: str, number: int) -> dict:
        where = f'{self.ann_file}, line {number}'
        path, labels = self._split(line)
        if not labels and not self.test_mode:
            raise ValueError(
                f'{where}: {line!r} does not end in a label, an integer from 0'
            )
        top = self.num_classes or np.inf
        bad = [label for label in labels if not 0 <= label < top]
        if bad:
            raise ValueError(
                f'{where}: label {bad[0]}; allowed are '
                f'integers from 0 to {top - 1}'
            )
        root = self.data_prefix['video']
        return dict(
            filename=osp.join(root, path) if root else path,
            label=labels if self.multi_class else (labels or [-1])[0],
        )

    def _split(self, line: str) -> tuple[str, list[int]]:
        gap = r'\s+' if self.delimiter == ' ' else re.escape(self.delimiter)
        count = '+' if self.multi_class else '{1}'
        found = re.match(rf'(.*?\S)((?:{gap}-?\d+){count})$', line)
        if found is None:
            return line, []
        path, labels = found.groups()
        return path, [int(label) for label in re.findall(r'-?\d+', labels)]

    def rng(self, idx: int) -> np.random.Generator:
        """Return the generator of one sample."""
        return sample_rng(idx, self.test_mode)

    def path_of(self, idx: int) -> str:
        """Return the path of one video."""
        return self.get_data_info(int(idx))['filename']

    def directory(self) -> str:
        """Return what sets the directory of the videos, for messages."""
        return (
            f'The paths of {self.ann_file!r} are looked for below '
            f'{self.data_prefix["video"]!r}, which is data_prefix.video of '
            'the dataset; set_videos(videos=...) in the config sets it, or, '
            'in ours, the environment variable MOSI_DATA'
        )

    def missing_files(self) -> list[str]:
        """Return local videos at which the run would stop for sure.

        They do not exist or are empty; none where such files are skipped.
        """
        self.full_init()
        if self._policy.skips or '://' in (self.data_prefix['video'] or ''):
            return []
        paths = (self.path_of(i) for i in range(len(self)))
        return [p for p in paths if '://' not in p and not _has_bytes(p)]

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the labels of one video; empty if it has none (-1).

        MMEngine's ClassBalancedDataset and RepeatDataset use this.
        """
        label = self.get_data_info(int(idx))['label']
        if self.multi_class:  # one number for each class, 0 or 1
            return label.nonzero().flatten().tolist()
        return [label] if label >= 0 else []

    def prepare_data(
        self, idx: int, rng: np.random.Generator | None = None
    ) -> dict:
        """Run the pipeline over one video."""
        results = self.get_data_info(idx)
        results['rng'] = self.rng(idx) if rng is None else rng
        return self.pipeline(results)

    def __getitem__(self, idx: int) -> dict:
        """Return the packed sample of a video, or of its replacement.

        Raises:
            IndexError: If there is no such video.
            BadSourceError: If the file is unreadable and the policy is to
                stop, or too many are.
        """
        self.full_init()
        if not 0 <= idx < len(self):
            idx = range(len(self))[idx]
        return self._bad_files.load(
            self, idx, self.rng(idx), self.prepare_data
        )


def _has_bytes(path: str) -> bool:
    """Return whether there is a file that is not empty."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0
