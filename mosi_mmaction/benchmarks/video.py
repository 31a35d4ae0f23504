"""The case `video` of benchmark.py: reading videos against MMAction2's decord.

Times are CPU times of this process and the decoding one together. Another file
is always read in between, so that no file is still open. `first_ms` is for
files that the decoding process has not seen before; of some kinds it remembers
the number of frames.

Unless files are given, files like those of Weizmann, HMDB51, UCF101 and
Kinetics are drawn and encoded first, and three of kinds that stock decord
reads wrongly: its time is then marked by `stock_is_right: false`.
"""

import argparse
import itertools
import os
import os.path as osp
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import av
import cv2
import numpy as np
from mmaction.registry import TRANSFORMS
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from torch.utils.data import DataLoader, Dataset

from ..media.decoder_client import decoder_pid, drop_decoder
from ..media.video import VideoFile, read_frame
from .timing import medians, pss, report

#: Codec, width, height, frames, frame rate, options.
KINDS = {
    'Weizmann-like.avi': ('mpeg4', 180, 144, 70, 25, dict(g='12')),
    'HMDB51-like.avi': ('mpeg4', 320, 240, 90, 30, dict(g='250', bf='2')),
    'UCF101-like.avi': ('mpeg4', 320, 240, 180, 25, dict(g='250', bf='2')),
    'short-GOP-B.avi': ('mpeg4', 320, 240, 90, 30, dict(g='12', bf='2')),
    'MPEG-2.mpg': ('mpeg2video', 320, 240, 90, 25, dict(g='12', bf='2')),
    'broadcast.ts': ('libx264', 340, 256, 150, 25, dict(g='50')),
    'Kinetics-like.mp4': ('libx264', 340, 256, 300, 30, dict(g='60')),
}

# Mean difference of two decoders' frames, in grey levels, above which they are
# different frames.
_OTHER = 2


def draw(path: str, kind: tuple) -> None:
    """Encode a drifting texture with some noise on it."""
    codec, width, height, frames, rate, options = kind
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (2 * height, 2 * width, 3), dtype=np.uint8)
    image = cv2.normalize(
        cv2.GaussianBlur(image, (0, 0), 5), None, 0, 255, cv2.NORM_MINMAX
    )
    with av.open(path, 'w') as out:
        stream = out.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        if codec == 'mpeg4':
            stream.bit_rate = 1_000_000
        for n in range(frames):
            x = round((1 + np.sin(n / 20)) * width / 2)
            y = round((1 + np.cos(n / 31)) * height / 2)
            window = image[y : y + height, x : x + width]
            noise = rng.integers(0, 9, window.shape, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(
                cv2.add(window, noise), format='rgb24'
            )
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def cpu() -> float:
    """Return CPU seconds of this process and of the decoding process."""
    return time.process_time() + decoder_cpu()


def decoder_cpu() -> float:
    """Return CPU seconds of the decoding process alone."""
    return time.clock_gettime(~running_decoder() << 3 | 2)


def running_decoder() -> int:
    """Return the ID of the decoding process after a video has been read."""
    pid = decoder_pid()
    assert pid is not None  # reading starts it
    return pid


def pipelines(reader: str) -> dict[str, Callable]:
    """Return a training and a test pipeline, by name."""
    init: dict[str, Any] = dict(type=f'{reader}Init')
    if reader == 'Decord':
        init['num_threads'] = 1
    decode = dict(type=f'{reader}Decode')
    crop = [
        dict(type='Resize', scale=(-1, 128)),
        dict(type='CenterCrop', crop_size=112),
    ]

    def build(clips: int) -> Callable:
        sample = dict(
            type='SampleFrames',
            clip_len=16,
            frame_interval=4,
            num_clips=clips,
            test_mode=clips > 1,
        )
        steps = [init, sample, decode, *crop]
        return Compose([TRANSFORMS.build(step) for step in steps])

    return {'training sample': build(1), 'test of 10 clips': build(10)}


def stock_frame(path: str, share: float) -> np.ndarray:
    """Read a frame with decord in this process."""
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    return reader[int(share * len(reader))].asnumpy()


def our_frame(path: str, share: float) -> np.ndarray:
    """Read a frame as pretraining does."""
    return read_frame(path, lambda count: int(share * count))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this case."""
    parser.add_argument(
        '--videos',
        metavar='FILE',
        nargs='+',
        help='videos to read (default: some are drawn)',
    )
    parser.add_argument('--repeats', type=int, default=15)


def bench(args: argparse.Namespace) -> None:
    """Time samples of videos, and measure the decoding process."""
    init_default_scope('mmaction')
    with tempfile.TemporaryDirectory() as folder:
        paths = args.videos
        if not paths:
            paths = [osp.join(folder, name) for name in KINDS]
            for path in paths:
                draw(path, KINDS[osp.basename(path)])
        other = osp.join(folder, 'other.avi')
        draw(other, KINDS['Weizmann-like.avi'])
        bench_child(paths[0])
        for path in paths:
            bench_file(args, path, other)


def bench_file(args: argparse.Namespace, path: str, between: str) -> None:
    """Time reading one file, in turns with stock decord.

    Args:
        args: Parsed arguments.
        path: Path of the file.
        between: Path of the file that is read in between.
    """
    ours, stock = pipelines('Video'), pipelines('Decord')
    facts = VideoFile(path).facts
    right = VideoFile(path).read(range(facts['num_frames']))
    numbers, base = itertools.count(), osp.basename(path)
    for name in [*ours, 'random frame']:
        seeds = {who: iter(range(10**6)) for who in ('ours', 'first', 'stock')}
        other = dict(frames=0, of=0)

        def run(who: str, name: str = name, seeds: dict = seeds) -> float:
            seed = next(seeds[who])
            np.random.seed(seed)
            share = np.random.default_rng(seed).random()
            VideoFile(between).read([0])
            file = path
            if who == 'first':
                file = osp.join(
                    osp.dirname(between), f'{next(numbers)}-{base}'
                )
                os.symlink(osp.abspath(path), file)
            start = cpu()
            if name == 'random frame':
                read = stock_frame if who == 'stock' else our_frame
                read(file, share)
            else:
                pipe = (stock if who == 'stock' else ours)[name]
                pipe(dict(filename=file, start_index=0, modality='RGB'))
            return cpu() - start

        wrong(path, right, name, other)
        times = medians(
            {who: partial(run, who) for who in seeds}, args.repeats
        )
        report(
            'video',
            f'{base}, {name}',
            ms=times['ours'] * 1e3,
            stock_ms=times['stock'] * 1e3,
            ratio=times['ours'] / times['stock'],
            first_ms=times['first'] * 1e3,
            first_ratio=times['first'] / times['stock'],
            peer="MMAction2's decord in the same process",
            decoder=facts['decoder'],
            by_time_stamps=facts['seeks'],
            stock_is_right=not other['frames'],
            other_frames_of_stock=f'{other["frames"]} of {other["of"]}',
            repeats=args.repeats,
        )


def wrong(path: str, right: np.ndarray, name: str, other: dict) -> None:
    """Count the frames for which stock decord returns other times."""
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    count = min(len(reader), len(right))
    start = np.linspace(0, max(count - 64, 0), 10).astype(int)
    if name == 'random frame':
        indices = start
    else:
        clips = 1 if name == 'training sample' else 10
        start = start[5:6] if clips == 1 else start
        indices = (start[:, None] + np.arange(0, 64, 4)).ravel()
    indices = np.minimum(indices, count - 1)
    found = reader.get_batch(indices).asnumpy()
    for index, image in zip(indices, found):
        difference = right[index].astype(np.int16) - image
        other['frames'] += int(np.abs(difference).mean() > _OTHER)
        other['of'] += 1


class _Decoders(Dataset):
    """The ID of the process that decodes for a worker."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        video = VideoFile(self.path)
        video.read(range(video.num_frames))
        return running_decoder()


def bench_child(path: str) -> None:
    """Measure startup and memory of the decoding process."""
    drop_decoder()
    video = VideoFile(path)
    video.read([0])
    start = decoder_cpu()
    for _ in range(100):
        video = VideoFile(path)
        video.read(range(0, video.num_frames, 4))
    after = pss(running_decoder())
    # Keep a reference, because workers end with their loader.
    loader = iter(DataLoader(_Decoders(path), batch_size=None, num_workers=8))
    pids = {next(loader) for _ in range(8)}
    together = sum(map(pss, pids))
    del loader
    report(
        'video',
        'the process that decodes',
        start_cpu_ms=start * 1e3,
        mb_after_100_videos=after / 2**20,
        mb_of_8=together / 2**20,
        workers=len(pids),
    )
