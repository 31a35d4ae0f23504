"""The policy for unreadable files, common to all datasets."""

import logging
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import print_log

from ..media.errors import BadSourceError


class FileDataset(Protocol):
    """A dataset that has one file for every sample."""

    def __len__(self) -> int:
        """Number of files."""

    def path_of(self, idx: int) -> str:
        """Return the path of one file, for messages."""

    def directory(self) -> str:
        """Return what sets the directory of the files, for messages."""


def innermost(dataset: Any) -> Iterator[Any]:
    """Yield the datasets inside MMEngine's wrappers."""
    inner = getattr(dataset, 'datasets', None)
    if inner is None and hasattr(dataset, 'dataset'):
        inner = [dataset.dataset]
    if inner is None:
        yield dataset
    for other in inner or ():
        yield from innermost(other)


class BadFilePolicy:
    """Whether a file that cannot be read is skipped, or stops the run.

    Args:
        bad_files: ``'skip'`` replaces an unreadable file and logs it once;
            ``'raise'`` stops. None stops with ``test_mode`` and skips
            without.
        max_bad_fraction: Share of unreadable files beyond which ``'skip'``
            stops too, with the list of them.
        test_mode: That of the dataset.

    Raises:
        ValueError: If a value is out of range.

    Attributes:
        skips: Whether an unreadable file is replaced.
    """

    def __init__(
        self,
        bad_files: str | None = None,
        max_bad_fraction: float = 0.1,
        test_mode: bool = False,
    ) -> None:
        if bad_files not in (None, 'skip', 'raise'):
            raise ValueError(
                f"bad_files={bad_files!r}: allowed are 'skip', "
                "'raise' and None"
            )
        if not 0 <= max_bad_fraction <= 1:
            raise ValueError(
                f'max_bad_fraction={max_bad_fraction!r}: '
                'allowed is a share in [0, 1]'
            )
        self.skips = bad_files == 'skip' or bad_files is None and not test_mode
        self.max_bad_fraction = max_bad_fraction


class BadFiles:
    """The unreadable files that were met, and what takes their place.

    A skipped file is replaced by another one, drawn from the stream of the
    sample. What was found bad before changes no sample: every visit tries
    the file again, so that a sample stays a function of (seed, epoch, index)
    for any number of workers and ranks, and after a resume.

    Args:
        policy: What to do about them.
        num: Number of files. Each has a flag, in memory that all workers
            share: 1 if it cannot be read, 2 if it is not there. The flags
            count and keep a file from being logged twice.
    """

    def __init__(self, policy: BadFilePolicy, num: int) -> None:
        self.policy = policy
        self._flags = torch.zeros(num, dtype=torch.uint8).share_memory_()

    def load(
        self,
        dataset: FileDataset,
        idx: int,
        rng: np.random.Generator,
        read: Callable[[int, np.random.Generator], dict],
    ) -> dict:
        """Return the sample of a file, or of its replacement.

        Args:
            dataset: The dataset, or a part of it.
            idx: Index of the file.
            rng: Generator of the sample.
            read: Function that returns the sample of a file, made with a
                generator.

        Raises:
            BadSourceError: If the file is unreadable and the policy is to
                stop, or too many are.
        """
        while True:
            try:
                return read(idx, rng)
            except BadSourceError as error:
                if not self.policy.skips:
                    raise BadSourceError(
                        error.path,
                        error.reason,
                        f'Is the directory right? {dataset.directory()}'
                        if _is_missing(error)
                        else 'Remove or repair it; '
                        'tools/check_data.py finds all such files',
                    ) from error
                self._note(dataset, int(idx), error)
            # A spawned stream does not depend on how much was drawn before
            # the file failed.
            (rng,) = rng.spawn(1)
            idx = int(rng.integers(len(dataset)))

    def _note(
        self, dataset: FileDataset, idx: int, error: BadSourceError
    ) -> None:
        if not self._flags[idx]:
            self._flags[idx] = 1 + _is_missing(error)
            text = str(error).encode('utf-8', 'backslashreplace').decode()
            # Of ranks other than 0, MMEngine shows errors only.
            level = logging.WARNING if get_rank() == 0 else logging.ERROR
            print_log(f'skipped a bad file: {text}', 'current', level)
        bad, num = self._flags.nonzero().flatten().tolist(), len(dataset)
        most = self.policy.max_bad_fraction
        if len(bad) <= most * num and len(bad) < num:
            return
        missing = [i for i in bad if self._flags[i] == 2]
        shown = ''.join(f'\n  {dataset.path_of(i)}' for i in bad[:20])
        more = f'\n  ... and {len(bad) - 20} more' if len(bad) > 20 else ''
        if len(missing) > len(bad) / 2:
            what = (
                f'{len(missing)} of {num} files were looked for and are not '
                f'there. Is the directory right? {dataset.directory()}'
            )
        else:
            what = (
                f'{len(bad)} of {num} files could not be read, more '
                f'than max_bad_fraction={most} allows; '
                'tools/check_data.py finds them all. Remove or repair them'
            )
        raise BadSourceError(
            dataset.path_of(idx), f'{what}:{shown}{more}'
        ) from error


def _is_missing(error: BadSourceError) -> bool:
    return isinstance(error.__cause__, FileNotFoundError)
