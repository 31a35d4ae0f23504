"""Files that are odd, torn or huge."""

import json
import logging
import os
import resource
import struct
import time
import zlib

import cv2
import numpy as np
from PIL import Image

from helpers.launch import run
from helpers.motion_truth import textured_image
from mosi_mmaction import (
    LoadSourceImage,
    SourceImageDataset,
)
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.media import decoder_client as decoding
from mosi_mmaction.media.errors import BadSourceError

LOAD = [
    dict(type='SeedSample'),
    dict(type='LoadSourceFrame', short_side=64),
    dict(type='CropSource', size=64),
]


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


def load(path):
    return LoadSourceImage()({'img_path': str(path)})['img']


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


def swell(path):
    """Make an AVI small on disk whose frames have four gigapixels."""
    raw = bytearray(write_video(path, 3).read_bytes())
    at = raw.find(b'\xff\xc0')
    while at >= 0:
        raw[at + 5 : at + 9] = struct.pack('>HH', 65500, 65500)
        at = raw.find(b'\xff\xc0', at + 1)
    path.write_bytes(raw)
