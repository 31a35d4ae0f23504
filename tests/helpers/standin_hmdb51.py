"""Make a small HMDB51 look-alike from real footage.

    python tests/helpers/standin_hmdb51.py OUT [--footage DIR] [--frames 90]

writes what one has after unpacking HMDB51's archives:

    OUT/videos/<class>/<video>.avi
    OUT/testTrainMulti_7030_splits/<class>_test_split<n>.txt

All 51 classes have two or three videos: Xvid with B-frames in AVI, 240
pixels high, 30 frames a second, with names as awkward as HMDB51's. Which
footage a class shows is arbitrary: nothing can be learned from it, but it is
read, trained on and tested as HMDB51 is.
"""

import argparse
from pathlib import Path

import av
import numpy as np

CLASSES = tuple(
    """
    brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword
    dribble drink eat fall_floor fencing flic_flac golf handstand hit hug
    jump kick kick_ball kiss laugh pick pour pullup punch push pushup
    ride_bike ride_horse run shake_hands shoot_ball shoot_bow shoot_gun sit
    situp smile smoke somersault stand swing_baseball sword sword_exercise
    talk throw turn walk wave
    """.split()
)
# What a video is in splits 1 to 3: 1 for training, 2 for testing, 0 neither.
ROLES = ((1, 2, 0), (2, 1, 0), (1, 2, 1))
# HMDB51 has #, ;, brackets and apostrophes; blanks come with other people's.
TITLES = (
    '#20_Rhythm_{}',
    "{}; it's_a_test_(part_2)",
    '[HD] {} & more',
    '100%_{}_{{x}}_=+,!',
    '{}',
)
HEIGHT, RATE = 240, 30
SHARED = Path(__file__).resolve().parents[3] / 'shared'
FOOTAGE = SHARED / 'data' / 'videos' / 'weizmann'


def read_clip(path: Path, length: int) -> np.ndarray:
    """Read the beginning of a video at 30 frames a second, 240 pixels high.

    Args:
        path: The video.
        length: The largest number of frames; a shorter video is not drawn
            out.

    Returns:
        Frames, uint8, (frames, 240, even width, 3), RGB.
    """
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        step = float(stream.average_rate) / RATE
        frames = []
        for frame in file.decode(stream):
            width = 2 * round(HEIGHT * frame.width / frame.height / 2)
            frames.append(
                frame.reformat(
                    width, HEIGHT, 'rgb24', interpolation='BICUBIC'
                ).to_ndarray()
            )
            if len(frames) > length * step:
                break
    times = np.arange(min(length, int(len(frames) / step))) * step
    return np.stack(frames)[times.astype(int)]


def write_xvid(path: Path, frames: np.ndarray) -> None:
    """Encode frames as HMDB51 is encoded: MPEG-4 with B-frames, in AVI.

    Args:
        path: The file to write.
        frames: uint8, (frames, height, width, 3), RGB; even sides.
    """
    with av.open(str(path), 'w', format='avi') as out:
        stream = out.add_stream('mpeg4', rate=RATE, options={'bf': '2'})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = 'yuv420p'
        stream.bit_rate = 1_000_000
        stream.codec_context.codec_tag = 'XVID'
        stream.codec_context.gop_size = RATE
        for image in frames:
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def make(out: Path, footage: Path = FOOTAGE, length: int = 90) -> int:
    """Write the data set.

    Args:
        out: Where to; what is there already is overwritten.
        footage: Directory of AVI or MP4 files, at any depth. When there are
            fewer than videos are wanted, they come again mirrored, and then
            start over.
        length: The largest number of frames of a video.

    Returns:
        The number of videos.

    Raises:
        FileNotFoundError: If there is no footage.
    """
    sources = sorted(
        path
        for path in Path(footage).rglob('*')
        if path.suffix in ('.avi', '.mp4')
    )
    if not sources:
        raise FileNotFoundError(f'{footage}: no .avi or .mp4 file in there')
    splits = out / 'testTrainMulti_7030_splits'
    splits.mkdir(parents=True, exist_ok=True)
    count = 0
    for label, name in enumerate(CLASSES):
        folder = out / 'videos' / name
        folder.mkdir(parents=True, exist_ok=True)
        videos = []
        for number in range(2 + label % 2):
            source = sources[count % len(sources)]
            frames = read_clip(source, length)
            if count // len(sources) % 2:
                frames = frames[:, :, ::-1]
            title = TITLES[count % len(TITLES)].format(source.stem)
            video = f'{title}_{name}_f_cm_np1_le_med_{number}.avi'
            write_xvid(folder / video, np.ascontiguousarray(frames))
            videos.append(video)
            count += 1
        for split, roles in enumerate(ROLES, 1):
            # As distributed, with a blank at the end of a line.
            path = splits / f'{name}_test_split{split}.txt'
            lines = (f'{v} {role} \n' for v, role in zip(videos, roles))
            path.write_text(''.join(lines))
    return count


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('out', type=Path, help='directory to write to')
    parser.add_argument(
        '--footage',
        type=Path,
        default=FOOTAGE,
        metavar='DIR',
        help='directory of real videos; default: %(default)s',
    )
    parser.add_argument(
        '--frames',
        type=int,
        default=90,
        metavar='N',
        help='largest number of frames of a video; default: %(default)s',
    )
    args = parser.parse_args()
    count = make(args.out, args.footage, args.frames)
    print(f'{args.out}: {count} videos of {len(CLASSES)} classes')


if __name__ == '__main__':
    main()
