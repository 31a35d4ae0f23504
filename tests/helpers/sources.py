"""Source images and videos, written for a test, that tell their number."""

import cv2
import numpy as np
from PIL import Image

from mosi_mmaction.datasets import EpochIndex

LOAD = [dict(type='LoadSourceFrame')]
STEP = 20  # grey levels from one frame of a test video to the next


def write_image(path, level=128, size=16):
    """Write a flat image, so that its pixels tell which file it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = 'JPEG' if path.suffix.lower() in ('.jpg', '.jpeg') else 'PNG'
    Image.new('RGB', (size, size), (level,) * 3).save(path, kind)
    return path


def write_video(path, num_frames, first=10, size=32):
    """Write a video whose n-th frame has the grey level first + STEP n."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 25, (size, size)
    )
    for n in range(num_frames):
        writer.write(np.full((size, size, 3), first + STEP * n, np.uint8))
    writer.release()
    return path


def write_frames(folder, num_frames):
    """Write extracted frames named 1.png ... in order of their level."""
    for n in range(num_frames):
        write_image(folder / f'{n + 1}.png', 10 + STEP * n)


def level(sample):
    return float(sample['img'].mean())


def at(index, epoch=0, seed=0):
    return EpochIndex(index, seed, epoch)
