"""The policy for unreadable files, common to all datasets."""

import logging
from collections.abc import Callable

import numpy as np
import torch
from mmengine.logging import print_log

from ..media.errors import BadSourceError


class BadFilePolicy:
    """Mixin of data sets: skip bad files, or stop at them.

    A skipped file is replaced by another one, drawn from the stream of the
    sample. What was found bad before changes no sample: every visit tries
    the file again, so that a sample stays a function of (seed, epoch, index)
    for any number of workers and ranks, and after a resume.

    The data set calls :meth:`set_policy` first and :meth:`watch` as soon as
    it has a length. It has ``test_mode`` and ``rng(idx)``.
    """

    test_mode: bool
    rng: Callable[[int], np.random.Generator]
    __len__: Callable[[], int]

    def set_policy(
        self, bad_files: str | None, max_bad_fraction: float
    ) -> None:
        """Check and keep the policy.

        Args:
            bad_files: ``'skip'`` replaces an unreadable file and logs it
                once; ``'raise'`` stops. None stops with ``test_mode`` and
                skips without.
            max_bad_fraction: Share of unreadable files beyond which
                ``'skip'`` stops too, with the list of them.

        Raises:
            ValueError: If a value is out of range.
        """
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
        self.bad_files = bad_files
        self.max_bad_fraction = max_bad_fraction

    def watch(self) -> None:
        """Make one flag a file, in memory that all workers share.

        The flags count and keep a file from being logged twice.
        """
        self._bad = torch.zeros(len(self), dtype=torch.bool).share_memory_()

    def path_of(self, idx: int) -> str:
        """Return the path of one file, for messages."""
        raise NotImplementedError

    def load(
        self, idx: int, prepare: Callable[[int, np.random.Generator], dict]
    ) -> dict:
        """Return the sample of a file, or of its replacement.

        Args:
            idx: Index of the file.
            prepare: Makes the sample of an index with a generator.

        Raises:
            BadSourceError: If the file is unreadable and the policy is to
                stop, or too many are.
        """
        rng = self.rng(idx)
        while True:
            try:
                return prepare(idx, rng)
            except BadSourceError as error:
                if self.bad_files == 'raise' or (
                    self.bad_files is None and self.test_mode
                ):
                    raise BadSourceError(
                        error.path,
                        error.reason,
                        'Remove or repair it; '
                        'tools/check_data.py finds all such files',
                    ) from error
                self._note(int(idx), error)
            # A spawned stream does not depend on how much was drawn before
            # the file failed.
            (rng,) = rng.spawn(1)
            idx = int(rng.integers(len(self)))

    def _note(self, idx: int, error: BadSourceError) -> None:
        if not self._bad[idx]:
            self._bad[idx] = True
            text = str(error).encode('utf-8', 'backslashreplace').decode()
            # As an error: MMEngine shows no less of ranks other than 0.
            print_log(f'skipped a bad file: {text}', 'current', logging.ERROR)
        bad = self._bad.nonzero().flatten().tolist()
        if len(bad) > self.max_bad_fraction * len(self) or len(bad) == len(
            self
        ):
            shown = ''.join(f'\n  {self.path_of(i)}' for i in bad[:20])
            more = f'\n  ... and {len(bad) - 20} more' if len(bad) > 20 else ''
            raise BadSourceError(
                self.path_of(idx),
                f'{len(bad)} of {len(self)} files could not be read, more '
                f'than max_bad_fraction={self.max_bad_fraction} allows; '
                'tools/check_data.py finds them all. Remove or repair '
                f'them:{shown}{more}',
            ) from error
