"""Write MP4 files."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from ..files import whole_file


def write_mp4(
    path: str | os.PathLike,
    frames: Sequence[np.ndarray] | np.ndarray,
    fps: float = 8,
) -> Path:
    """Write a video completely or not at all; parent directories are made.

    Odd sides get one white line, because the codec needs even sides.

    Args:
        path: Path of the file.
        frames: N pictures (H, W, 3) uint8 RGB of equal size.
        fps: Number of frames a second.

    Returns:
        The path.

    Raises:
        OSError: If OpenCV cannot write it, or the disk is full.
    """
    path = Path(path)
    height, width = (side + side % 2 for side in frames[0].shape[:2])
    with whole_file(path) as part:
        fourcc = cv2.VideoWriter_fourcc(*'mp4v')  # type: ignore[attr-defined]
        writer = cv2.VideoWriter(str(part), fourcc, fps, (width, height))
        if not writer.isOpened():
            raise OSError(
                f'OpenCV cannot write {path} with the codec mp4v: check that '
                'the directory is writable and that OpenCV has ffmpeg (the '
                'opencv-python packages from PyPI have it)'
            )
        for frame in frames:
            frame = cv2.copyMakeBorder(
                frame,
                0,
                height - frame.shape[0],
                0,
                width - frame.shape[1],
                cv2.BORDER_CONSTANT,
                value=(255, 255, 255),
            )
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
        # The writer reports no errors, not even a full disk.
        reader = cv2.VideoCapture(str(part))
        written = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
        reader.release()
        if written != len(frames):
            raise OSError(
                f'{path}: only {written} of {len(frames)} frames '
                'could be written; is the disk full?'
            )
    return path
