"""Videos that several tests of the decoding process read."""

import pytest

from helpers import video_files
from helpers.video_files import write


@pytest.fixture(scope='module')
def videos(tmp_path_factory):
    """Two videos whose frames differ."""
    folder = tmp_path_factory.mktemp('videos')
    write(folder / 'a.mp4', 'libx264')
    with_offset = [n + 100 for n in range(video_files.FRAMES)]
    copy = video_files.picture
    try:
        video_files.picture = lambda n, *args: copy(
            with_offset[n] if n < 100 else n, *args
        )
        write(folder / 'b.mp4', 'libx264')
    finally:
        video_files.picture = copy
    return str(folder / 'a.mp4'), str(folder / 'b.mp4')
