"""Names of the files that tools write if none is given."""

import os
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32


def name_of_checkpoint(path: str | os.PathLike) -> str:
    """Return ``'RUN/epoch_14'`` for a file in the work dir RUN.

    The file's own name says only the epoch.
    """
    path = Path(path).resolve()
    return f'{path.parent.name}/{path.stem}'


def name_of_runs(runs: Sequence[str | os.PathLike]) -> str:
    """Return a file name, without extension, for what is made of runs.

    The names of their work dirs; of many, the first and a digest of all
    paths, so that other runs have another name.
    """
    paths = [Path(run).resolve() for run in runs]
    name = '+'.join(path.name for path in paths)
    if len(name) <= 80:
        return name
    digest = crc32('\n'.join(map(str, paths)).encode('utf-8', 'replace'))
    return f'{paths[0].name[:60]}+{len(paths) - 1}_others_{digest:08x}'
