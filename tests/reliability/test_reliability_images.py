"""Images of every mode and size become RGB, or are named."""

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.motion_truth import textured_image
from helpers.odd_files import load, read_in_process, write_odd_image
from mosi_mmaction import (
    LoadSourceImage,
)


@pytest.fixture
def good(tmp_path):
    """Three good images; a quarter of the list is bad at most."""
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f'good_{i}.png'))
        cv2.imwrite(paths[-1], textured_image(80, i))
    return paths


def test_odd_images(tmp_path, good):
    kinds = [
        'garbage',
        'text',
        'empty',
        'folder',
        'fifo',
        'postscript',
        'truncated',
        '1x1',
        '2000x1',
        'png bomb',
        'jpeg bomb',
        'sparse',
        'missing',
    ]
    paths = [tmp_path / f'{kind}.jpg' for kind in kinds]
    for kind, path in zip(kinds, paths):
        write_odd_image(kind, path)
    read_in_process(paths, good, tmp_path, paths)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['', 'progressive', 'rgba16', 'gray16'])
def test_image_of_12000x9000_is_read(tmp_path, good, kind):
    path = tmp_path / 'large.jpg'
    write_odd_image(f'12000x9000 {kind}'.strip(), path)
    read_in_process([path], good, tmp_path, [])


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_rotation_is_honoured(tmp_path, suffix, orientation):
    quarters = np.array(
        [[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 250]]], np.uint8
    )
    image = Image.fromarray(quarters.repeat(32, 0).repeat(48, 1))
    undo = {
        2: Image.FLIP_LEFT_RIGHT,
        3: Image.ROTATE_180,
        4: Image.FLIP_TOP_BOTTOM,
        5: Image.TRANSPOSE,
        6: Image.ROTATE_90,
        7: Image.TRANSVERSE,
        8: Image.ROTATE_270,
    }
    turned = image.transpose(undo[orientation]) if orientation > 1 else image
    exif = Image.Exif()
    exif[0x112] = orientation
    path = tmp_path / f'a.{suffix}'
    turned.save(path, exif=exif, quality=95)
    found = load(path)
    assert found.shape == (64, 96, 3)
    difference = np.abs(found.astype(int) - np.asarray(image))
    assert difference.mean() < 10  # lossy formats; other turns are > 60


def gradient():
    return np.tile(np.arange(64, dtype=np.uint8) * 4, (32, 1))


@pytest.mark.parametrize('mode', ['L', 'LA', 'RGBA', 'P', 'PA', 'CMYK', '1'])
def test_colour_modes_become_rgb(tmp_path, mode):
    color = np.stack([gradient(), 255 - gradient(), gradient() // 2], 2)
    image = Image.fromarray(color)
    if mode == 'PA':
        image = image.quantize().convert('PA')
    elif mode == 'P':
        image = image.quantize()
    elif mode == 'RGBA':
        image.putalpha(Image.fromarray(gradient()))
    else:
        image = image.convert(mode)
    path = tmp_path / ('a.tif' if mode in ('CMYK', 'PA') else 'a.png')
    image.save(path)
    wanted = np.asarray(
        Image.fromarray(color)
        .convert('L' if mode in ('L', 'LA', '1') else 'RGB')
        .convert('RGB')
    )
    found = load(path)
    assert found.dtype == np.uint8 and found.shape == wanted.shape
    if mode == '1':  # dithered
        found, wanted = found.mean((0, 1)), wanted.mean((0, 1))
    tolerance = 12 if mode.startswith('P') else 3  # palettes are coarse
    assert np.abs(found - wanted.astype(float)).max() <= tolerance


def test_palette_with_transparency_keeps_its_colours(tmp_path):
    image = Image.fromarray(gradient()).convert('P')
    image.save(tmp_path / 'a.png', transparency=bytes(range(256)))
    assert np.array_equal(load(tmp_path / 'a.png')[..., 0], gradient())


@pytest.mark.parametrize('bits', [8, 10, 12, 16])
@pytest.mark.parametrize('suffix', ['png', 'tif', 'pgm'])
def test_sixteen_bits_fill_the_range(tmp_path, bits, suffix):
    level = np.tile(np.arange(256, dtype=np.uint16) << (bits - 8), (32, 1))
    path = tmp_path / f'a.{suffix}'
    cv2.imwrite(str(path), level)
    assert np.array_equal(load(path)[..., 1], np.tile(np.arange(256), (32, 1)))


@pytest.mark.parametrize('suffix', ['gif', 'png', 'webp'])
def test_of_an_animation_the_first_frame(tmp_path, suffix):
    frames = [
        Image.fromarray(np.full((32, 48, 3), level, np.uint8))
        for level in (200, 100, 0)
    ]
    frames[0].save(
        tmp_path / f'a.{suffix}', save_all=True, append_images=frames[1:]
    )
    assert abs(load(tmp_path / f'a.{suffix}').mean() - 200) < 3


def test_jpeg_with_something_after_its_end(tmp_path):
    # Cameras do that. OpenCV would not notice a truncation, so it does not
    # get such a file, and what does must shrink it as well.
    image = textured_image(512, 3)
    path = tmp_path / 'a.jpg'
    Image.fromarray(image).save(path, quality=95)
    whole = LoadSourceImage(short_side=100)({'img_path': str(path)})['img']
    path.write_bytes(path.read_bytes() + b'trailer')
    found = LoadSourceImage(short_side=100)({'img_path': str(path)})['img']
    assert found.shape == whole.shape == (128, 128, 3)
    assert np.abs(found.astype(int) - whole).mean() < 5
