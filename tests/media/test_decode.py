"""Files of every kind become RGB, or one error that says why not."""

import io
import os
import pickle
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from helpers.motion_truth import textured_image
from mosi_mmaction.media import image as decode
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.image import decode_image, read_bytes

PHOTO = textured_image((48, 64))
# Smooth enough for JPEG to keep; different along x, y and in colour.
Y, X = np.mgrid[:48, :64]
SMOOTH = np.stack([4 * X, 5 * Y, 255 - 2 * (X + Y)], -1).astype(np.uint8)


def encode(image, kind, **args):
    stream = io.BytesIO()
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image)
    image.save(stream, kind, **args)
    return stream.getvalue()


def error(function, *args):
    with pytest.raises(BadSourceError) as caught:
        function(*args)
    return caught.value


def orientation(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


# ------------------------------------------------------------- what is read
@pytest.mark.parametrize('kind', ['PNG', 'BMP', 'PPM', 'TIFF', 'WEBP'])
def test_lossless_files_keep_every_pixel(kind):
    args = dict(lossless=True) if kind == 'WEBP' else {}
    np.testing.assert_array_equal(
        decode_image(encode(PHOTO, kind, **args), 'x'), PHOTO
    )


@pytest.mark.parametrize(
    'args',
    [
        dict(),
        dict(progressive=True),
        dict(subsampling=0),
        dict(exif=orientation(1)),
    ],
)
def test_jpeg_is_rgb(args):
    out = decode_image(encode(SMOOTH, 'JPEG', quality=95, **args), 'x')
    assert out.shape == SMOOTH.shape and out.dtype == np.uint8
    assert np.abs(out.astype(int) - SMOOTH).mean() < 2


def test_the_name_does_not_matter(tmp_path):
    path = tmp_path / 'really a png.jpg'
    path.write_bytes(encode(PHOTO, 'PNG'))
    np.testing.assert_array_equal(
        decode_image(read_bytes(str(path)), str(path)), PHOTO
    )


def test_modes_become_rgb():
    gray = PHOTO[..., 0]
    rgba = np.dstack([PHOTO, gray])
    for name, image, told in (
        ('L', Image.fromarray(gray), np.dstack([gray] * 3)),
        ('LA', Image.fromarray(rgba).convert('LA'), None),
        ('RGBA', Image.fromarray(rgba), PHOTO),
        ('P', Image.fromarray(PHOTO).quantize(32), None),
        ('1', Image.fromarray(gray).convert('1'), None),
    ):
        out = decode_image(encode(image, 'PNG'), name)
        if told is None:
            told = np.array(image.convert('RGB'))
        np.testing.assert_array_equal(out, told, err_msg=name)


@pytest.mark.parametrize('kind', ['JPEG', 'TIFF'])
def test_cmyk(kind):
    image = Image.fromarray(SMOOTH).convert('CMYK')
    out = decode_image(encode(image, kind), 'x')
    assert np.abs(out.astype(int) - SMOOTH).mean() < 3


@pytest.mark.parametrize('kind', ['PNG', 'TIFF'])
def test_sixteen_bits_keep_the_high_ones(kind):
    deep = (np.arange(64 * 48).reshape(48, 64) * 21).astype(np.uint16)
    out = decode_image(encode(Image.fromarray(deep), kind), 'x')
    np.testing.assert_array_equal(out, np.dstack([deep >> 8] * 3))
    flat = np.full((48, 64), 200, np.uint16)  # eight bits in a wide file
    assert (
        decode_image(encode(Image.fromarray(flat), kind), 'x') == 200
    ).all()


def test_sixteen_bit_colour():
    deep = (SMOOTH.astype(np.uint16) << 8) + 77
    raw = cv2.imencode('.png', deep[..., ::-1])[1].tobytes()
    out = decode_image(raw, 'x').astype(int)
    assert np.abs(out - SMOOTH).max() <= 1


def test_first_frame_of_an_animation():
    frames = [
        Image.fromarray(np.full((16, 16, 3), v, np.uint8))
        for v in (60, 120, 180)
    ]
    for kind in ('GIF', 'PNG', 'WEBP', 'TIFF'):
        args = dict(lossless=True) if kind == 'WEBP' else {}
        raw = encode(
            frames[0], kind, save_all=True, append_images=frames[1:], **args
        )
        assert (decode_image(raw, kind) == 60).all(), kind


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
@pytest.mark.parametrize('short_side', [None, 12])
@pytest.mark.parametrize(
    'number, upright',
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).swapaxes(0, 1)),
        (8, np.rot90),
    ],
)
def test_exif_rotation_is_honoured(kind, short_side, number, upright):
    args = dict(lossless=True) if kind == 'WEBP' else dict(quality=95)
    raw = encode(SMOOTH, kind, exif=orientation(number), **args)
    out = decode_image(raw, 'x', short_side)
    told = upright(SMOOTH)
    if out.shape != told.shape:
        assert kind == 'JPEG' and short_side
        told = cv2.resize(
            np.ascontiguousarray(told),
            out.shape[1::-1],
            interpolation=cv2.INTER_AREA,
        )
    assert out.shape == told.shape
    assert np.abs(out.astype(int) - told).mean() < 2.5


@pytest.mark.parametrize(
    'short_side, shape',
    [
        (None, (480, 640)),
        (480, (480, 640)),
        (241, (480, 640)),
        (240, (240, 320)),
        (121, (240, 320)),
        (120, (120, 160)),
        (60, (60, 80)),
        (5, (60, 80)),
    ],
)
def test_reduced_decoding_never_falls_below_the_short_side(short_side, shape):
    large = cv2.resize(SMOOTH, (640, 480))
    out = decode_image(encode(large, 'JPEG', quality=95), 'x', short_side)
    assert out.shape == (*shape, 3)
    told = cv2.resize(large, shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(out.astype(int) - told).mean() < 2
    assert (
        decode_image(encode(large, 'PNG'), 'x', short_side).shape
        == large.shape
    )


# ---------------------------------------------------------- what is refused
@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'GIF', 'WEBP', 'TIFF'])
@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_cut_files_are_refused_not_filled_with_grey(kind, share):
    raw = encode(PHOTO, kind)
    caught = error(decode_image, raw[: int(len(raw) * share)], 'a b/cut')
    assert str(caught).startswith('a b/cut: ')
    assert caught.path == 'a b/cut'


def test_a_jpeg_with_something_behind_it_is_read():
    raw = encode(SMOOTH, 'JPEG', quality=95)
    told = decode_image(raw, 'x').astype(int)
    assert np.abs(decode_image(raw + b'\0' * 99, 'x') - told).mean() < 1


@pytest.mark.parametrize(
    'raw',
    [
        b'no image',
        b'\xff\xd8\xff\xd9',
        b'\x89PNG\r\n\x1a\n',
        b'GIF89a',
        b'\0' * 1000,
        b'<html>404</html>',
        b'RIFF\0\0\0\0WEBP',
    ],
)
def test_what_is_no_image(raw):
    assert 'not a readable image' in str(error(decode_image, raw, 'x'))


def test_floats_have_no_range():
    raw = encode(Image.fromarray(np.ones((9, 9), np.float32)), 'TIFF')
    assert 'floating-point' in str(error(decode_image, raw, 'x'))


@pytest.mark.parametrize('size', [(7, 50), (50, 7), (1, 1)])
def test_too_small(size):
    raw = encode(Image.new('RGB', size), 'PNG')
    assert f'{size[0]}x{size[1]}' in str(error(decode_image, raw, 'x'))


def test_too_large_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(decode, 'MAX_PIXELS', 48 * 64 - 1)
    for kind in ('PNG', 'JPEG', 'BMP'):
        assert '64x48' in str(error(decode_image, encode(PHOTO, kind), 'x'))


def test_decompression_bomb_is_one_error():
    # The header says 60000 x 60000; Pillow would raise its own error.
    raw = bytearray(encode(PHOTO, 'PNG'))
    raw[16:24] = struct.pack('>II', 60000, 60000)
    raw[29:33] = struct.pack('>I', zlib.crc32(raw[12:29]))
    error(decode_image, bytes(raw), 'x')


@pytest.mark.parametrize(
    'args',
    [
        {},
        dict(progressive=True),
        dict(subsampling=0),
        dict(comment=b'x' * 9),
        dict(exif=Image.Exif().tobytes() + bytes(5000)),
        dict(icc_profile=bytes(70000)),
    ],
)
@pytest.mark.parametrize(
    'mode, components', [('RGB', 3), ('L', 1), ('CMYK', 4)]
)
def test_header_of_a_jpeg(args, mode, components):
    raw = encode(Image.new(mode, (321, 123)), 'JPEG', **args)
    assert decode._jpeg_frame(raw) == (321, 123, components)
    # Any number of fill bytes may stand before a marker.
    at = raw.index(b'\xff\xdb')
    filled = raw[:at] + b'\xff\xff' + raw[at:]
    assert decode._jpeg_frame(filled) == (321, 123, components)
    assert Image.open(io.BytesIO(filled)).size == (321, 123)


def test_jpeg_too_large_is_refused_before_it_is_decoded():
    raw = encode(SMOOTH, 'JPEG')
    at = raw.index(b'\xff\xc0') + 5
    huge = raw[:at] + struct.pack('>HH', 60000, 60001) + raw[at + 4 :]
    with pytest.raises(BadSourceError, match='60001x60000 pixels are more'):
        decode_image(huge, 'a.jpg')
    # Cut anywhere, a header is a header or not there.
    for length in range(len(raw)):
        assert decode._jpeg_frame(raw[:length]) in (None, (64, 48, 3))


@pytest.mark.parametrize('short_side', [None, 24])
def test_older_opencv_swaps_the_channels(monkeypatch, short_side):
    raw = encode(SMOOTH, 'JPEG')
    new = decode_image(raw, 'a.jpg', short_side)
    monkeypatch.setattr(decode, '_COLOR', cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode_image(raw, 'a.jpg', short_side), new)


def test_bytes_that_cannot_be_read(tmp_path):
    (tmp_path / 'empty.jpg').touch()
    for name, reason in (
        ('gone.jpg', 'No such file'),
        ('', 'directory'),
        ('empty.jpg', 'is empty'),
    ):
        path = os.path.join(tmp_path, name)
        caught = error(read_bytes, path)
        assert path in str(caught) and reason in str(caught), str(caught)


def test_error_survives_the_way_out_of_a_worker():
    back = pickle.loads(pickle.dumps(BadSourceError('a b', 'why', 'Do!')))
    assert str(back) == 'a b: why. Do!'
    assert str(BadSourceError('a b', 'why')) == 'a b: why'
    assert (back.path, back.reason) == ('a b', 'why')


# ------------------------------------------------------------ odd real files
def test_odd_images_decode_or_are_refused(shared_data):
    folder = shared_data / 'odd_media' / 'images'
    if not folder.is_dir():
        pytest.skip('no odd images there')
    read = refused = 0
    for path in sorted(folder.iterdir()):
        if path.suffix == '.csv' or 'huge' in path.name:
            continue
        try:
            out = decode_image(read_bytes(str(path)), str(path), 64)
        except BadSourceError as caught:
            assert path.name in str(caught)
            refused += 1
        else:
            assert out.dtype == np.uint8 and out.ndim == 3
            assert out.shape[2] == 3 and min(out.shape[:2]) >= 8
            read += 1
    assert read > 40 and refused > 10
