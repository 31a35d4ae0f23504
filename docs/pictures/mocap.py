"""Make docs/pictures/mocap.png: a pose of our own, drawn backgrounds.

    python docs/pictures/mocap.py

The motion is that of tests/helpers/bvh_person.py: no recorded one is shown,
as the data are not ours to publish.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / p) for p in ('tests', 'tools/data')]


def main() -> None:
    """Write the picture."""
    from bvh_person import write_bvh
    from mocap_videos import film

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, raised in enumerate(('L', 'R', 'LR')):
            path = Path(folder) / f'raise_{raised}_{number}.bvh'
            write_bvh(path, raised, frames=60)
            still, panned = film(path, (112, 112), 15, 3, [])
            rows.append(np.concatenate([*still[3:28:6], *panned[3:28:12]], 1))
    cv2.imwrite(str(HERE / 'mocap.png'), np.concatenate(rows)[..., ::-1])


if __name__ == '__main__':
    main()
