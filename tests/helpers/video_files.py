"""Small videos of many kinds whose frames carry their number.

PyAV makes them, so that they are the same wherever it is installed. What
only FFmpeg's command line can make, or what has to be put together by hand,
is marked.
"""

import shutil
import subprocess
from fractions import Fraction

import av
import numpy as np

FRAMES = 30
SIZE = (96, 64)
FFMPEG = shutil.which('ffmpeg')

X264, X265 = 'x264-params', 'x265-params'
OPEN = 'open-gop=1:bframes=3:keyint=10:min-keyint=10:scenecut=0'
B = dict(bf='2')
UNEVEN = np.cumsum(1 + np.arange(FRAMES) % 4).tolist()


def picture(number, size=SIZE):
    """Draw a number from 0 to 255 as 2 x 4 fields, on something that moves.

    The blue channel has a mark at the top, so that 0 is not symmetric.
    """
    width, height = size
    bits = (number >> np.arange(8)) & 1
    rows = np.arange(height) * 2 // height
    columns = np.arange(width) * 4 // width
    image = 50 + 150 * bits.reshape(2, 4)[np.ix_(rows, columns)]
    wave = 20 * np.sin((np.arange(width) + 3 * number) / 6)
    image = np.clip(image + wave, 0, 255).astype(np.uint8)
    blue = np.where(rows[:, None] == 0, 220, 30) + 0 * image
    return np.stack([image, image, blue.astype(np.uint8)], 2)


def number_of(image):
    """Read the number that a picture shows; None if it is not upright."""
    height, width = image.shape[:2]

    def field(y, x, channel):
        top, bottom = height * y // 2, height * (y + 1) // 2
        left, right = width * x // 4, width * (x + 1) // 4
        y_edge, x_edge = height // 8, width // 16
        return image[
            top + y_edge : bottom - y_edge,
            left + x_edge : right - x_edge,
            channel,
        ].mean()

    levels = [field(y, x, 1) for y in range(2) for x in range(4)]
    blue = [sum(field(y, x, 2) for x in range(4)) for y in range(2)]
    if blue[0] < blue[1] + 100:
        return None
    return sum(int(level > 125) << n for n, level in enumerate(levels))


def write(
    path,
    codec,
    frames=FRAMES,
    size=SIZE,
    rate=25,
    gop=10,
    pix_fmt='yuv420p',
    options=None,
    container=None,
    stamps=None,
    offset=0,
    turns=0,
    tag=None,
    second=None,
    cover=False,
):
    """Encode a video.

    Args:
        turns: Quarter turns by which the container says to turn it.
        stamps: Times of the frames, in frames; default one after another.
        offset: When the first frame is shown, in frames.
        second: ``'before'`` or ``'after'``: another, smaller video stream,
            whose numbers count backwards from 255.
        cover: Whether there is cover art.
    """
    rate = Fraction(rate).limit_denominator(1000)
    with av.open(str(path), 'w', format=container) as out:
        streams = []

        def add(width, height):
            stream = out.add_stream(codec, rate=rate, options=options or {})
            stream.width, stream.height = width, height
            stream.pix_fmt = pix_fmt
            stream.codec_context.gop_size = gop
            if tag:
                stream.codec_context.codec_tag = tag
            streams.append(stream)
            return stream

        if second == 'before':
            add(48, 32)
        main = add(*(size[::-1] if turns % 2 else size))
        if turns:
            main.set_display_rotation(90 * turns)
        if second == 'after':
            add(48, 32)
        if cover:
            art = out.add_stream('png', rate=1)
            art.width, art.height, art.pix_fmt = 128, 128, 'rgb24'
            art.disposition = av.stream.Disposition.attached_pic
            image = np.full((128, 128, 3), 90, np.uint8)
            cover = av.VideoFrame.from_ndarray(image, format='rgb24')
            out.mux([*art.encode(cover), *art.encode(None)])
        for n in range(frames):
            for stream in streams:
                image = np.rot90(picture(n, size), -turns)
                if stream is not main:
                    image = picture(255 - n, (48, 32))
                frame = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(image), format='rgb24'
                ).reformat(format=pix_fmt)
                frame.time_base = 1 / rate / 4
                frame.pts = 4 * (offset + (stamps[n] if stamps else n))
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))


def copy(source, path, keep, container=None, shift=0):
    """Copy packets for which ``keep(number, packet)``, without encoding."""
    with (
        av.open(str(source)) as file,
        av.open(str(path), 'w', format=container) as out,
    ):
        stream = file.streams.video[0]
        target = out.add_stream_from_template(stream)
        for n, packet in enumerate(file.demux(stream)):
            if packet.dts is not None and keep(n, packet):
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = target
                out.mux(packet)


def pack(source, path):
    """Make a DivX "packed bitstream" of a video with single B-frames.

    A B-frame is put into the packet of the frame that follows it, and a
    placeholder where it was. By hand: no encoder of today makes it.
    """
    with av.open(str(source)) as file, av.open(str(path), 'w') as out:
        stream = file.streams.video[0]
        target = out.add_stream_from_template(stream)
        raws = [bytes(p) for p in file.demux(stream) if p.size]
        mark = b'\0\0\1\xb2DivX503b1393p'
        raws[0] = raws[0].replace(b'\0\0\1\xb6', mark + b'\0\0\1\xb6', 1)
        packed, n = [], 0
        while n < len(raws):
            is_b = n + 1 < len(raws) and _kind(raws[n + 1]) == 2
            packed.append(raws[n] + (raws[n + 1] if is_b else b''))
            if is_b:
                packed.append(b'\0\0\1\xb6\x5f\x8f')  # not coded
            n += 1 + is_b
        for n, raw in enumerate(packed):
            packet = av.Packet(raw)
            packet.pts = packet.dts = n
            packet.time_base = Fraction(1, 25)
            packet.is_keyframe = _kind(raw) == 0
            packet.stream = target
            out.mux(packet)


def _kind(raw):
    return raw[raw.index(b'\0\0\1\xb6') + 4] >> 6


def deny_delay(source, path):
    """Copy MPEG-4, with a header that says that frames are in order."""
    raw = bytearray(source.read_bytes())
    found = -1
    while (found := raw.find(b'\0\0\1\x20', found + 1)) >= 0:
        raw[found + 7] |= 0x80  # low_delay, the 25th bit
    path.write_bytes(raw)


H264, HEVC = dict(codec='libx264'), dict(codec='libx265')
HEVC_OPTIONS = {X265: 'log-level=none:open-gop=1:keyint=10:min-keyint=10'}
VP8 = {'auto-alt-ref': '1', 'lag-in-frames': '16', 'cpu-used': '8'}
AV1 = {'preset': '12', 'svtav1-params': 'lp=1'}

#: Arguments of :func:`write` by name of the file.
PLAIN = {
    'mpeg4.avi': dict(codec='mpeg4'),
    'mpeg4_b.avi': dict(codec='mpeg4', options=B),
    'xvid_b.avi': dict(codec='mpeg4', options=B, tag='XVID'),
    'mpeg4_b.mp4': dict(codec='mpeg4', options=B),
    'mpeg4_b.mov': dict(codec='mpeg4', options=B),
    'mpeg4_b.mkv': dict(codec='mpeg4', options=B),
    'mpeg4_qpel_b.avi': dict(
        codec='mpeg4', options=dict(bf='3', flags='+qpel+mv4')
    ),
    'mpeg4_interlaced_b.avi': dict(
        codec='mpeg4', options=B | dict(flags='+ilme+ildct')
    ),
    'h263.3gp': dict(codec='h263', size=(176, 144)),
    'h263.avi': dict(codec='h263', size=(176, 144)),
    'mpeg1.mpg': dict(codec='mpeg1video', options=B),
    'mpeg2.mpg': dict(codec='mpeg2video', options=B),
    'mpeg2.ts': dict(codec='mpeg2video', options=B),
    'mpeg2.mkv': dict(codec='mpeg2video', options=B),
    'mpeg2_interlaced.mpg': dict(
        codec='mpeg2video', options=B | dict(flags='+ilme+ildct')
    ),
    'wmv1.wmv': dict(codec='wmv1'),
    'wmv2.wmv': dict(codec='wmv2'),
    'msmpeg4.avi': dict(codec='msmpeg4'),
    'mjpeg.avi': dict(codec='mjpeg', pix_fmt='yuvj420p'),
    'mjpeg.mov': dict(codec='mjpeg', pix_fmt='yuvj420p'),
    **{f'h264.{e}': H264 for e in ('mp4', 'mov', 'mkv', 'ts', 'avi', 'flv')},
    'h264.mts': dict(H264, container='mpegts'),
    **{
        f'h264_open.{e}': dict(H264, options={X264: OPEN})
        for e in ('mp4', 'mkv', 'ts')
    },
    'h264_intra_refresh.mp4': dict(
        H264, options={X264: 'intra-refresh=1:bframes=0:keyint=10'}
    ),
    'h264_interlaced.mp4': dict(H264, options={X264: 'tff=1'}),
    'h264_interlaced.mts': dict(
        H264, options={X264: 'tff=1'}, container='mpegts'
    ),
    'h264_10bit.mp4': dict(H264, pix_fmt='yuv420p10le'),
    'h264_422.mp4': dict(H264, pix_fmt='yuv422p'),
    'h264_444.mp4': dict(H264, pix_fmt='yuv444p'),
    'h264_intra.mp4': dict(H264, gop=1),
    **{
        f'hevc.{e}': dict(HEVC, options=HEVC_OPTIONS)
        for e in ('mp4', 'mkv', 'ts')
    },
    'vp8.webm': dict(codec='libvpx', options=VP8),
    'vp9.webm': dict(codec='libvpx-vp9', options=VP8),
    'vp9.mp4': dict(codec='libvpx-vp9', options={'cpu-used': '8'}),
    'av1.mp4': dict(codec='libsvtav1', options=AV1),
    'av1.webm': dict(codec='libsvtav1', options=AV1),
    'prores.mov': dict(codec='prores_ks', pix_fmt='yuv422p10le'),
    'ffv1.mkv': dict(codec='ffv1'),
    'ffv1.avi': dict(codec='ffv1'),
    'qtrle.mov': dict(codec='qtrle', pix_fmt='rgb24'),
    'png.mov': dict(codec='png', pix_fmt='rgb24'),
    'huffyuv.avi': dict(codec='huffyuv', pix_fmt='yuv422p'),
    'gif.gif': dict(codec='gif', pix_fmt='rgb8'),
    'odd_size.mp4': dict(H264, size=(97, 65), pix_fmt='yuv444p'),
    'odd_size.mkv': dict(codec='ffv1', size=(97, 65)),
    'half_fps.mp4': dict(H264, rate=0.5),
    '240_fps.mp4': dict(H264, rate=240),
    '240_fps.avi': dict(codec='mpeg4', rate=240, options=B),
    'one.mp4': dict(H264, frames=1),
    'one.avi': dict(codec='mpeg4', frames=1, options=B),
    'one.ts': dict(H264, frames=1),
    'one.webm': dict(codec='libvpx-vp9', frames=1),
    **{f'uneven.{e}': dict(H264, stamps=UNEVEN) for e in ('mp4', 'mkv', 'ts')},
    'uneven.avi': dict(codec='mpeg4', stamps=UNEVEN),
    'uneven_b.avi': dict(codec='mpeg4', stamps=UNEVEN, options=B),
    **{f'late.{e}': dict(H264, offset=250) for e in ('mp4', 'mkv', 'ts')},
    'late.avi': dict(codec='mpeg4', offset=50),
    **{
        f'two_{second}.{e}': dict(H264, second=second)
        for second in ('before', 'after')
        for e in ('mp4', 'mkv', 'ts')
    },
    'two_before.avi': dict(codec='mpeg4', second='before'),
    'cover.mp4': dict(H264, cover=True),
    **{
        f'turned_{90 * t}.{e}': dict(H264, turns=t)
        for t in (1, 2, 3)
        for e in ('mp4', 'mov', 'mkv')
    },
}

#: Files made of others: source, and how.
COPIED = {
    # From between two keyframes on: an edit list hides what comes before.
    'cut.mp4': ('h264.mp4', lambda n, p: n >= 10, None, 14),
    'cut.mov': ('h264_open.mp4', lambda n, p: n >= 10, None, 13),
    # Without its first packets, or from a keyframe with frames before it.
    'lost_start.ts': ('h264.mp4', lambda n, p: n >= 4, None, 0),
    'lost_start.mp4': ('h264.mp4', lambda n, p: n >= 4, None, 0),
    'lost_start.mkv': ('h264_open.mp4', lambda n, p: n >= 10, None, 0),
    'lost_start.avi': ('mpeg4_b.mp4', lambda n, p: n >= 4, None, 0),
    'lost_start_hevc.mkv': ('hevc.mp4', lambda n, p: n >= 10, None, 0),
    'lost_start_hevc.mp4': ('hevc.mp4', lambda n, p: n >= 10, None, 0),
    # A whole group of frames is gone.
    'hole.mp4': ('h264.mp4', lambda n, p: not 10 <= n < 20, None, 0),
    'hole.mkv': ('h264_open.mp4', lambda n, p: not 10 <= n < 20, None, 0),
}

#: Made by FFmpeg's command line of a copy without loss.
BY_FFMPEG = {
    'theora.ogv': '-c:v libtheora -g 10',
    'field_pictures.ts': '-c:v libx264 -flags +ilme+ildct -x264opts tff=1',
}

NAMES = [*PLAIN, *COPIED, 'packed.avi', 'denied_b.avi', *BY_FFMPEG]


def make(name, folder):
    """Make a file if it is not there; return its path.

    Raises:
        LookupError: If this machine cannot make it.
    """
    path = folder / name
    if path.exists():
        return path
    if name in PLAIN:
        try:
            av.codec.Codec(PLAIN[name]['codec'], 'w')
        except av.codec.codec.UnknownCodecError as error:
            raise LookupError(f'PyAV has no encoder {error}') from error
        if PLAIN[name].get('turns') and not hasattr(
            av.VideoStream, 'set_display_rotation'
        ):
            raise LookupError('this PyAV cannot write a rotation')
        write(path, **PLAIN[name])
    elif name in COPIED:
        source, keep, container, first = COPIED[name]
        source = make(source, folder)
        with av.open(str(source)) as file:
            stream = file.streams.video[0]
            shift = round(first / 25 / stream.time_base)
        copy(source, path, keep, container, shift)
    elif name == 'packed.avi':
        source = folder / 'single_b.mp4'
        write(source, 'mpeg4', options=dict(bf='1'), gop=11)
        pack(source, path)
    elif name == 'denied_b.avi':
        deny_delay(make('mpeg4_b.avi', folder), path)
    else:
        if not FFMPEG:
            raise LookupError('ffmpeg is not installed')
        source = make('ffv1.mkv', folder)
        command = f'{FFMPEG} -y -v error -nostdin -i {source} '
        done = subprocess.run(
            [*command.split(), *BY_FFMPEG[name].split(), str(path)],
            capture_output=True,
        )
        if done.returncode:
            raise LookupError(done.stderr.decode()[-200:])
    return path


def presented(path):
    """Decode from the start, and return the numbers of the frames shown.

    The plainest reading there is: what the readers are judged by.
    """
    numbers = []
    with av.open(str(path)) as file:
        stream = file.streams.best('video')
        if stream.disposition & av.stream.Disposition.attached_pic:
            stream = file.streams.video[0]
        for packet in file.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                image = frame.to_ndarray(format='rgb24')
                turns = round(frame.rotation / 90)
                numbers.append(number_of(np.rot90(image, turns)))
    return numbers


def presented_by_ffmpeg(path):
    """Return what FFmpeg shows, by its command line, of another version."""
    with av.open(str(path)) as file:
        stream = file.streams.best('video')
        if stream.disposition & av.stream.Disposition.attached_pic:
            stream = file.streams.video[0]
        number = stream.index
        size = stream.codec_context.width, stream.codec_context.height
        turns = next(file.decode(stream)).rotation % 180
    shape = (*(size if turns else size[::-1]), 3)
    raw = subprocess.run(
        [
            *(FFMPEG, '-v', 'error', '-nostdin', '-i', str(path)),
            *('-map', f'0:{number}', '-vsync', '0', '-f', 'rawvideo'),
            *('-pix_fmt', 'rgb24', '-'),
        ],
        capture_output=True,
        check=True,
    ).stdout
    return [
        number_of(i) for i in np.frombuffer(raw, np.uint8).reshape(-1, *shape)
    ]
