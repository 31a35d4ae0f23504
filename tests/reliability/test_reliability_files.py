"""No file may crash, hang or fill a process, and none is lost silently."""

import os

import cv2
import numpy as np
import pytest

from helpers.launch import run
from helpers.motion_truth import textured_image
from helpers.odd_files import read_in_process
from mosi_mmaction import (
    LoadSourceFrame,
    LoadSourceImage,
)
from mosi_mmaction.media.errors import BadSourceError

#: What nobody can make a picture of. All others must be read.
BAD = {
    'made_1x1.jpg',
    'made_2x2.png',
    'made_truncated.png',
    'made_truncated_header_only.jpg',
    'made_zero_bytes.jpg',
    'mdx_1x1.jpg',
    'mdx_beach_not_a_jpeg.jpg',
    'pil_bmp_b_shortfile.bmp',
    'pil_broken.png',
    'pil_multiple_exif.jpg',
    'pil_no_palette.gif',
    'pil_not_enough_data.jp2',
    'pil_tRNS_null_1x1.png',
    'pil_truncated_end_chunk.png',
    'pil_truncated_image.png',
    'pil_unbound_variable.jp2',
    'pil_xmp_padded.jpg',
    'pil_zero_height.j2k',
    'made_audio_only.mp4',
    'made_png_named.avi',
    'made_text_named.mp4',
    'made_tiny_2x2.avi',
    'made_zero_bytes.avi',
    'made_zero_bytes.mp4',
}


@pytest.fixture
def good(tmp_path):
    """Three good images; a quarter of the list is bad at most."""
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f'good_{i}.png'))
        cv2.imwrite(paths[-1], textured_image(80, i))
    return paths


@pytest.mark.slow
def test_every_odd_file_is_a_sample_or_a_named_path(
    shared_data, tmp_path, good
):
    files = sorted(map(str, (shared_data / 'odd_media').glob('*/*.*')))
    assert len(files) > 90
    read_in_process(
        files, good, tmp_path, [f for f in files if os.path.basename(f) in BAD]
    )


def read_as_nobody(folder, path, out):
    # What lies above the folder need not be passed from inside.
    os.chdir(folder)
    os.setgid(65534)
    os.setuid(65534)
    for load, key in (
        (LoadSourceImage(), 'img_path'),
        (LoadSourceFrame(), 'filename'),
    ):
        try:
            load({key: path, 'rng': np.random.default_rng(0)})
            text = 'was read'
        except BadSourceError as error:
            text = str(error)
        with open(out, 'a') as file:
            file.write(text + '\n')


def test_permission_denied(tmp_path):
    path, out = tmp_path / 'secret.jpg', tmp_path / 'out'
    cv2.imwrite(str(path), textured_image(80))
    path.chmod(0)
    if os.getuid():
        with pytest.raises(BadSourceError, match='Permission denied'):
            LoadSourceImage()({'img_path': str(path)})
        return
    out.touch()
    out.chmod(0o666)
    tmp_path.chmod(0o711)
    code = run(
        read_as_nobody,
        str(tmp_path),
        path.name,
        out.name,
        log=tmp_path / 'log',
    )
    assert code == 0, (tmp_path / 'log').read_text()
    assert out.read_text() == 'secret.jpg: Permission denied\n' * 2
