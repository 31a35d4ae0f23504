"""Remake docs/pictures/mocap.png: a hand-written pose, drawn backgrounds.

    python docs/pictures/mocap.py

The motion comes from tests/helpers/bvh_person.py. Recorded motion is not
shown, as its licence does not let us publish it.
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
    from mocap_videos import film

    from helpers.bvh_person import write_bvh

    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for number, raised in enumerate(('L', 'R', 'LR')):
            path = Path(directory) / f'raise_{raised}_{number}.bvh'
            write_bvh(path, raised, frames=60)
            still, panned = film(path, (112, 112), 15, 3, [])
            rows.append(np.concatenate([*still[3:28:6], *panned[3:28:12]], 1))
    cv2.imwrite(str(HERE / 'mocap.png'), np.concatenate(rows)[..., ::-1])


if __name__ == '__main__':
    main()
