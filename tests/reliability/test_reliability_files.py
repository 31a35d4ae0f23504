"""No file may crash, hang or fill a process, and none is lost silently."""

import json
import logging
import os
import resource
import signal
import struct
import sys
import time
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from helpers.launch import TOOLS, run, start
from helpers.motion_truth import textured_image
from mosi_mmaction import (
    ActionVideoDataset,
    LoadSourceFrame,
    LoadSourceImage,
    SourceImageDataset,
)
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.media import decoder_client as decoding
from mosi_mmaction.media.errors import BadSourceError
from mosi_mmaction.media.video import VideoFile, read_frame

LOAD = [
    dict(type='SeedSample'),
    dict(type='LoadSourceFrame', short_side=64),
    dict(type='CropSource', size=64),
]

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


def read_odd_files(paths, good, out):
    """Read files under both policies and write down what it took.

    To be run in a process of its own, which measures itself and the
    decoder's process. ``good`` is a list of files to replace them by.
    """
    from mmengine.logging import MMLogger

    logged = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())
    MMLogger.get_instance('odd files').addHandler(handler)
    reports = {}
    for path in paths:
        with open(out, 'w') as file:
            file.write('\n'.join([path, *good]))
        report = reports[path] = {}
        logged.clear()
        busy = time.process_time()
        for policy in ('skip', 'raise'):
            data = SourceImageDataset(
                '', out, pipeline=LOAD, bad_files=policy, max_bad_fraction=0.5
            )
            try:
                sample = data[EpochIndex(0, 0, 0)]
                shown = sample.get('img_path', sample.get('filename'))
                report[policy] = [
                    shown,
                    list(sample['img'].shape),
                    str(sample['img'].dtype),
                ]
            except BadSourceError as error:
                report[policy] = [error.path, error.reason]
        report['logged'] = list(logged)
        report['seconds'] = time.process_time() - busy
    # Ends the decoder, to be accounted for.
    decoding._local.__dict__.clear()
    time.sleep(0.1)
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    reports['megabytes'] = (own.ru_maxrss + child.ru_maxrss) / 1024
    with open(out, 'w') as file:
        json.dump(reports, file)


@pytest.fixture
def good(tmp_path):
    """Three good images; a quarter of the list is bad at most."""
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f'good_{i}.png'))
        cv2.imwrite(paths[-1], textured_image(80, i))
    return paths


def read_in_process(paths, good, tmp_path, bad):
    """Read files in a process of their own; those of ``bad`` are bad."""
    out, log = str(tmp_path / 'report.json'), tmp_path / 'log'
    paths = [str(path) for path in paths]
    code = run(read_odd_files, paths, good, out, log=log)
    assert code == 0, log.read_text()[-3000:]
    with open(out) as file:
        reports = json.load(file)
    assert reports['megabytes'] < 1500
    for path in paths:
        report = reports[path]
        # Of both policies together, and of the process, as the clock on the
        # wall also counts who else computes on this machine.
        assert report['seconds'] < 10, path
        told = [line for line in report['logged'] if path in line]
        if path in map(str, bad):
            assert len(told) == 1 and 'skipped a bad file' in told[0]
            assert report['raise'][0] == path
            assert report['raise'][1] in told[0]  # the reason
            assert report['skip'][0] in good
        else:
            assert not told, path
            assert report['raise'] == report['skip']
            assert report['raise'][0] == path
        assert report['skip'][1:] == [[64, 64, 3], 'uint8']


@pytest.mark.slow
def test_every_odd_file_is_a_sample_or_a_named_path(
    shared_data, tmp_path, good
):
    files = sorted(map(str, (shared_data / 'odd_media').glob('*/*.*')))
    assert len(files) > 90
    read_in_process(
        files, good, tmp_path, [f for f in files if os.path.basename(f) in BAD]
    )


# ------------------------------------------------------------------ images
def png(width, height, color_type, depth, rows=None):
    """Make a PNG file by hand; without rows the pixels are missing."""

    def chunk(name, data):
        return (
            struct.pack('>I', len(data))
            + name
            + data
            + struct.pack('>I', zlib.crc32(name + data))
        )

    head = struct.pack('>IIBBBBB', width, height, depth, color_type, 0, 0, 0)
    body = zlib.compress(rows or b'', 1)
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', head)
        + chunk(b'IDAT', body)
        + chunk(b'IEND', b'')
    )


def write_odd_image(kind, path):
    """Write one of the files that a folder of photographs may hold."""
    image = Image.fromarray(textured_image(96, 5))
    if kind == 'garbage':
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    elif kind == 'text':
        path.write_text('<html>404 Not Found</html>')
    elif kind == 'empty':
        path.write_bytes(b'')
    elif kind == 'folder':
        path.mkdir()
    elif kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'postscript':
        image.save(path, 'EPS')
    elif kind == 'truncated':
        image.save(path, 'JPEG')
        os.truncate(path, path.stat().st_size - 200)
    elif kind == '1x1':
        image.resize((1, 1)).save(path, 'JPEG')
    elif kind == '2000x1':
        image.resize((2000, 1)).save(path, 'JPEG')
    elif kind == '12000x9000':
        image.resize((12000, 9000), Image.BILINEAR).save(path, 'JPEG')
    elif kind == '12000x9000 progressive':
        image.resize((12000, 9000), Image.BILINEAR).save(
            path, 'JPEG', progressive=True
        )
    elif kind == '12000x9000 rgba16':
        row = b'\0' + textured_image(96, 5)[0].tobytes() * 334
        row = row[: 1 + 12000 * 8].ljust(1 + 12000 * 8, b'\x50')
        path.write_bytes(png(12000, 9000, 6, 16, row * 9000))
    elif kind == '12000x9000 gray16':
        row = b'\0' + (textured_image(96, 5)[0].tobytes() * 90)[:24000]
        path.write_bytes(png(12000, 9000, 0, 16, row * 9000))
    elif kind == 'png bomb':
        path.write_bytes(png(100_000, 100_000, 2, 8, bytes(10**8)))
    elif kind == 'jpeg bomb':
        image.save(path, 'JPEG')
        raw = bytearray(path.read_bytes())
        at = raw.index(b'\xff\xc0') + 5
        raw[at : at + 4] = struct.pack('>HH', 65500, 65500)
        path.write_bytes(raw)
    elif kind == 'sparse':
        with open(path, 'wb') as file:
            file.truncate(2**34)


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


def load(path):
    return LoadSourceImage()({'img_path': str(path)})['img']


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


# ------------------------------------------------------------------ videos
def write_video(path, frames=20, size=(64, 48), codec='MJPG'):
    """Write frames that carry their number as brightness, 10 a frame."""
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*codec), 10, size
    )
    for t in range(frames):
        level = (10 * t + 20) % 256
        writer.write(np.full((size[1], size[0], 3), level, np.uint8))
    writer.release()
    return path


def frame_number(img):
    return round((float(img.mean()) - 20) / 10)


def test_frames_are_those_asked_for(tmp_path):
    video = VideoFile(str(write_video(tmp_path / 'a.avi')))
    assert video.num_frames == 20 and video.fps == 10
    frames = video.read([3, 3, 19, 0, 11])
    assert frames.shape == (5, 48, 64, 3) and frames.dtype == np.uint8
    assert [frame_number(f) for f in frames] == [3, 3, 19, 0, 11]


def test_truncated_avi_is_read_as_far_as_it_goes(tmp_path):
    path = write_video(tmp_path / 'a.avi', size=(320, 240))
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])  # decord crashed on such files
    img = read_frame(str(path), lambda n: n - 1)
    assert 3 <= frame_number(img) <= 12


def test_wrong_frame_count_falls_back_to_frames_that_are_there(shared_data):
    path = shared_data / 'odd_media' / 'videos' / 'decord_corrupted.mp4'
    with pytest.raises(BadSourceError):
        VideoFile(str(path)).read([30])
    asked = []

    def choose(total):
        asked.append(total)
        return 30 if len(asked) == 1 else total // 2

    assert read_frame(str(path), choose).shape == (720, 1280, 3)
    assert asked == [50, 30]


def test_resolution_change_yields_frames_of_one_size(shared_data):
    path = shared_data / 'odd_media' / 'videos' / 'made_resolution_change.ts'
    video = VideoFile(str(path))
    frames = video.read(range(video.num_frames))
    assert frames.shape == (40, 144, 180, 3)
    assert frames[-1].std() > 10


def swell(path):
    """Make an AVI small on disk whose frames have four gigapixels."""
    raw = bytearray(write_video(path, 3).read_bytes())
    at = raw.find(b'\xff\xc0')
    while at >= 0:
        raw[at + 5 : at + 9] = struct.pack('>HH', 65500, 65500)
        at = raw.find(b'\xff\xc0', at + 1)
    path.write_bytes(raw)


@pytest.mark.slow
def test_video_bomb(tmp_path, good):
    path = tmp_path / 'odd.avi'
    swell(path)
    read_in_process([path], good, tmp_path, [path])


def test_large_video_is_refused_before_it_fills_the_memory(tmp_path, good):
    path = write_video(tmp_path / 'odd.avi', 1, (12000, 12000))
    read_in_process([path], good, tmp_path, [path])


def test_video_that_aborts_decord_is_read(shared_data, tmp_path, good):
    whole = shared_data / 'odd_media' / 'videos' / 'made_hevc.mp4'
    raw = bytearray(whole.read_bytes())
    raw[13877] = 123
    path = tmp_path / 'odd.mp4'
    path.write_bytes(raw)
    read_in_process([path, whole], good, tmp_path, [])


def test_decoder_that_dies_is_the_files_fault_only_once(tmp_path):
    path = str(write_video(tmp_path / 'a.avi'))
    video = VideoFile(path)
    os.kill(decoding._local.decoder.pid, signal.SIGKILL)
    # It died after its last answer: the next request is not to blame.
    assert frame_number(video.read([3])[0]) == 3
    os.kill(decoding._local.decoder.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert frame_number(VideoFile(path).read([5])[0]) == 5


def test_decoder_that_hangs_is_given_up(tmp_path, monkeypatch):
    path = str(write_video(tmp_path / 'a.avi'))
    video = VideoFile(path)
    pid = decoding._local.decoder.pid
    os.kill(pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(decoding, 'VIDEO_SECONDS', 1.5)
        with pytest.raises(BadSourceError, match='took more than 1.5 s'):
            video.read([0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert frame_number(VideoFile(path).read([7])[0]) == 7


def test_decoder_that_computes_for_ever_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, 'VIDEO_SECONDS', 0.3)
    path = str(write_video(tmp_path / 'a.avi', 8, (4800, 3600)))
    with pytest.raises(BadSourceError, match='took more than 0.3 s'):
        video = VideoFile(path)
        video.read([*range(8)])


def count_decoders(path, out):
    """Decode in this process and in a forked one; both must be right."""
    VideoFile(path)
    child = os.fork()
    right = frame_number(VideoFile(path).read([4])[0]) == 4
    if child == 0:
        os._exit(0 if right else 3)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(out, 'w') as file:
        file.write(f'{right} {status} {decoding._local.decoder.pid}')


def test_forked_worker_has_a_decoder_of_its_own_and_none_stays(tmp_path):
    path = str(write_video(tmp_path / 'a.avi'))
    out = tmp_path / 'out'
    assert run(count_decoders, path, str(out), log=tmp_path / 'log') == 0
    right, status, pid = out.read_text().split()
    assert (right, status) == ('True', '0')
    for _ in range(100):
        try:
            with open(f'/proc/{pid}/stat') as file:
                state = file.read().rpartition(')')[2].split()[0]
        except FileNotFoundError:
            return
        if state == 'Z':
            return  # it is over, and nobody asks how it ended
        time.sleep(0.1)
    pytest.fail(f'process {pid} is still there: {state}')


# ------------------------------------------------------- fine-tuning's data
@pytest.fixture
def actions(tmp_path):
    """Function that writes a list and returns a data set of eight videos."""
    for i in range(8):
        write_video(tmp_path / f'clip {i}.avi', 6 + i)
    (tmp_path / 'clip 2.avi').write_bytes(b'no video')

    def make(lines=None, **kwargs):
        lines = lines or [f'clip {i}.avi {i}' for i in range(8)]
        (tmp_path / 'list.txt').write_text('\n'.join(lines) + '\n')
        kwargs.setdefault('max_bad_fraction', 0.3)
        return ActionVideoDataset(
            str(tmp_path / 'list.txt'),
            [
                dict(type='SeedSample'),
                dict(type='VideoInit'),
                dict(
                    type='SampleFrames',
                    clip_len=4,
                    frame_interval=1,
                    num_clips=1,
                ),
                dict(type='VideoDecode'),
            ],
            data_prefix=dict(video=str(tmp_path)),
            **kwargs,
        )

    return make


def test_bad_video_is_replaced_with_its_label(actions):
    data = actions()
    met = set()
    for epoch in range(12):
        sample = data[EpochIndex(2, 0, epoch)]
        # A video of label i has 6 + i frames.
        assert sample['total_frames'] == 6 + sample['label'] != 8
        assert [frame_number(img) for img in sample['imgs']] == sample[
            'frame_inds'
        ].tolist()
        met.add(sample['label'])
    assert len(met) > 2
    again = actions()
    for epoch in range(3):
        one, other = [d[EpochIndex(2, 0, epoch)] for d in (data, again)]
        assert one['label'] == other['label']
        assert np.array_equal(one['frame_inds'], other['frame_inds'])


@pytest.mark.parametrize(
    'args', [dict(bad_files='raise'), dict(test_mode=True)]
)
def test_bad_video_raises(actions, args):
    data = actions(**args)
    assert data[1]['label'] == 1
    with pytest.raises(BadSourceError, match=r'clip 2\.avi: '):
        data[2]


def test_too_many_bad_videos_stop_with_their_list(actions):
    with pytest.raises(
        BadSourceError,
        match=r'1 of 8 files.*=0\.1 '
        r'allows(?s:.*)clip 2\.avi',
    ):
        actions(max_bad_fraction=0.1)[2]


def test_frame_of_a_video_before_it_failed_changes_no_sample(actions):
    # What one run has found bad must not show in the samples of another.
    data, fresh = actions(), actions()
    for epoch in range(4):
        data[EpochIndex(2, 0, epoch)]
    assert (
        data[EpochIndex(2, 0, 9)]['label']
        == fresh[EpochIndex(2, 0, 9)]['label']
    )


@pytest.mark.parametrize(
    'lines, message',
    [
        (['clip 0.avi 0', 'clip 1.avi'], 'line 2.*does not end in a label'),
        (['clip 0.avi 0', '', 'clip 1.avi -3'], 'line 3: label -3'),
        (['clip 0.avi x'], 'line 1.*does not end in a label'),
        ([' '], 'lists no video'),
    ],
)
def test_unreadable_line_is_named(actions, lines, message):
    with pytest.raises(ValueError, match=message):
        actions(lines)


def test_lines_of_every_kind(actions, tmp_path):
    data = actions(['clip 1.avi 4', 'a,b #c  7\t', '# 3 12'])
    assert [data.get_data_info(i)['label'] for i in range(3)] == [4, 7, 12]
    assert [os.path.relpath(data.path_of(i), tmp_path) for i in range(3)] == [
        'clip 1.avi',
        'a,b #c',
        '# 3',
    ]
    several = actions(
        ['clip 1.avi 4 0', 'clip 2.avi 3'], multi_class=True, num_classes=5
    )
    assert several.get_data_info(0)['label'].tolist() == [1, 0, 0, 0, 1]
    assert several.get_data_info(1)['label'].tolist() == [0, 0, 0, 1, 0]
    assert os.path.basename(several.path_of(0)) == 'clip 1.avi'
    with pytest.raises(ValueError, match='line 1: label 5.*0 to 4'):
        actions(['clip 1.avi 5'], num_classes=5)
    assert (
        actions(['clip 1.avi'], test_mode=True).get_data_info(0)['label'] == -1
    )
    comma = actions(['clip 1.avi,4'], delimiter=',')
    assert comma.get_data_info(0)['label'] == 4
    assert os.path.basename(comma.path_of(0)) == 'clip 1.avi'


# -------------------------------------------------------------- check_data
@pytest.mark.slow
def test_check_data_lists_exactly_the_bad_files(tmp_path, good):
    folder = tmp_path / 'data'
    (folder / 'deep er').mkdir(parents=True)
    write_video(folder / 'deep er' / 'a.avi')
    os.rename(good[0], folder / 'a b.png')
    os.rename(good[1], folder / 'c.png')
    report, log = tmp_path / 'report.tsv', tmp_path / 'log'

    def check_data(*args):
        log.write_text('')
        return run(
            'check_data.py', *args, '--jobs', 2, '--output', report, log=log
        )

    assert check_data(folder) == 0, log.read_text()
    assert '0 of 3 files are bad' in log.read_text()
    assert report.read_text() == ''
    write_odd_image('truncated', folder / 'deep er' / 'b.jpg')
    write_odd_image('text', folder / 'c.mp4')
    swell(folder / 'bomb.avi')
    lines = [
        'a b.png 3',
        'c.mp4',
        'bomb.avi 1',
        'deep er/b.jpg 1 2',
        'deep er/a.avi',
        'gone.png',
    ]
    ann = tmp_path / 'list.txt'
    ann.write_text('\n'.join(lines))
    for args, bad in (
        ([folder], {'bomb.avi', 'c.mp4', 'b.jpg'}),
        ([ann, '--root', folder], {'bomb.avi', 'c.mp4', 'b.jpg', 'gone.png'}),
    ):
        assert check_data(*args) == 1, log.read_text()
        rows = [line.split('\t') for line in report.read_text().splitlines()]
        assert {os.path.basename(path) for path, _ in rows} == bad
        assert all(reason for _, reason in rows)
        assert all(path in log.read_text() for path, _ in rows)


def misbehave(path):
    if 'crash' in path:
        os.abort()
    if 'hang' in path:
        time.sleep(1000)
    return 'is bad' if 'bad' in path else None


def check_misbehaving(out):
    import check_data

    paths = ['ok 1', 'crash 1', 'hang', 'bad', 'crash 2', 'ok 2', 'ok 3']
    found = dict(check_data.check_all(paths, 2, 2, misbehave))
    with open(out, 'w') as file:
        json.dump(found, file)


def test_check_data_survives_what_a_file_does_to_its_reader(tmp_path):
    out, log = tmp_path / 'out', tmp_path / 'log'
    sys.path.append(str(TOOLS))
    try:
        job = start(check_misbehaving, str(out), log=log)
        job.join(120)
    finally:
        sys.path.remove(str(TOOLS))
    assert job.exitcode == 0, log.read_text()
    found = json.loads(out.read_text())
    assert len(found) == 7
    assert [found[f'ok {i}'] for i in (1, 2, 3)] == [None] * 3
    assert found['bad'] == 'is bad'
    assert found['hang'] == 'took more than 2 s'
    assert all('-6' in found[f'crash {i}'] for i in (1, 2))


def test_workers_share_what_is_bad(tmp_path, good):
    # Four workers, many visits: logged once, and the samples are those of
    # one process.
    (tmp_path / 'bad.png').write_bytes(b'x')
    ann = tmp_path / 'list.txt'
    ann.write_text('\n'.join([str(tmp_path / 'bad.png'), *good]))
    args = dict(
        ann_file=str(ann),
        pipeline=[
            *LOAD,
            lambda r: dict(img=r['img'].sum(), path=r['img_path']),
        ],
    )
    data = SourceImageDataset(str(tmp_path), max_bad_fraction=0.5, **args)
    visits = [EpochIndex(0, 0, epoch) for epoch in range(20)]
    loader = torch.utils.data.DataLoader(
        data,
        sampler=visits,
        num_workers=4,
        batch_size=None,
        collate_fn=lambda x: x,
        multiprocessing_context='fork',
    )
    assert not data._bad[0]
    seen = list(loader)
    assert data._bad.tolist() == [True, False, False, False]
    fresh = SourceImageDataset(str(tmp_path), max_bad_fraction=0.5, **args)
    assert seen == [fresh[visit] for visit in visits]
    assert {s['path'] for s in seen} == set(good)
