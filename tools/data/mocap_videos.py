#!/usr/bin/env python
"""Render videos from motion capture: real motion, drawn bodies.

    python tools/data/mocap_videos.py BVH_DIR --out data/mocap \
        --backgrounds PHOTOGRAPHS

Every file ``<action>_<style>_<number>.bvh`` becomes two small videos, one from
a still camera and one from a panning camera; nothing else differs:

    OUT/still/<action>/<action>_<style>_<number>.mp4
    OUT/panning/<action>/<action>_<style>_<number>.mp4
    OUT/lists/classes.txt                 a label is a class's line, from 0
    OUT/lists/folds/<style>_train.txt     all videos of one style
    OUT/lists/folds/<style>_test.txt      --per-class videos of each class
                                          from each other style

Lines are ``<action>/<file> <label>`` and fit both directories. A video depends
on --seed, its own name and the list of backgrounds, not on the other files.
Videos of an earlier call with the same settings are kept.

Without --backgrounds, backgrounds are drawn (dead leaves). Use photographs on
which no network was pretrained.
"""

import argparse
import re
import zlib
from pathlib import Path

from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('bvh_dir', type=Path, metavar='BVH_DIR')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument(
        '--backgrounds', type=Path, help='directory of photographs'
    )
    parser.add_argument('--size', type=int, default=112, help='side, pixels')
    parser.add_argument('--fps', type=float, default=15)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--per-class',
        type=int,
        default=5,
        help='number of test videos per class and style',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

import cv2
import numpy as np
from tqdm import tqdm

from mosi_mmaction.files import write_text
from mosi_mmaction.media.mp4 import write_mp4
from mosi_mmaction.synthetic import bodies, shots
from mosi_mmaction.synthetic.bvh import Motion, read_bvh
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves
from mosi_mmaction.synthetic.write import settle

_NAME = re.compile(r'(?P<action>[^_]+)_(?P<style>[^_]+)_\w+')
_PHOTOS = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


def resample(motion: Motion, fps: float) -> Motion:
    """Return the motion at another frame rate, using the nearest frames."""
    times = np.arange(0, len(motion.positions), motion.fps / fps)
    index = np.minimum(np.rint(times), len(motion.positions) - 1).astype(int)
    return Motion(motion.joints, motion.parents, motion.positions[index], fps)


def make_background(shot: shots.Shot, photos: list[Path]) -> np.ndarray:
    """Return the background of a shot, (H, W, 3) uint8 RGB.

    Raises:
        ValueError: If the photograph cannot be read.
    """
    height, width = shots.canvas_size(shot.size)
    rng = np.random.default_rng(shot.background_seed)
    if not photos:
        leaves = draw_dead_leaves(max(height, width), rng)[:height, :width]
        gray, contrast = rng.uniform(70, 185), rng.uniform(0.3, 0.6)
        return np.clip(gray + contrast * (leaves - 127.5), 0, 255).astype(
            np.uint8
        )
    path = photos[int(shot.background * len(photos))]
    img = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if img is None:
        raise ValueError(
            f'{path}: cannot be read as a photograph; remove or repair it'
        )
    scale = max(height / img.shape[0], width / img.shape[1])
    scale *= rng.uniform(1, 1.3)
    size = [int(np.ceil(scale * s)) for s in img.shape[1::-1]]
    img = cv2.resize(img, size, interpolation=cv2.INTER_AREA)
    top = rng.integers(img.shape[0] - height + 1)
    left = rng.integers(img.shape[1] - width + 1)
    return np.ascontiguousarray(
        img[top : top + height, left : left + width, ::-1]
    )


def film(
    path: Path, size: tuple[int, int], fps: float, seed: int, photos
) -> tuple[np.ndarray, np.ndarray]:
    """Return the still and the panning video of a BVH file."""
    rng = np.random.default_rng((seed, zlib.crc32(path.stem.encode())))
    shot = shots.draw_shot(size, rng)
    try:
        motion = bodies.trim(resample(read_bvh(path), fps), shot)
        body = bodies.render_body(motion, shot)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error
    background = make_background(shot, photos)
    shift = shots.pan_path(shot, len(body), fps)
    return (
        shots.render_shot(body, shot, background),
        shots.render_shot(body, shot, background, shift),
    )


def write_lists(
    names: list[re.Match], out: Path, per_class: int, seed: int
) -> None:
    """Write classes and folds by style."""
    classes = sorted({n['action'] for n in names})
    styles = sorted({n['style'] for n in names})
    write_text(out / 'classes.txt', '\n'.join(classes) + '\n')

    def lines(chosen):
        return ''.join(
            f'{n["action"]}/{n.string}.mp4 {classes.index(n["action"])}\n'
            for n in chosen
        )

    test: dict[str, list] = {style: [] for style in styles}
    for style in styles:
        for action in classes:
            there = [
                n
                for n in names
                if (n['action'], n['style']) == (action, style)
            ]
            key = zlib.crc32(f'{style} {action}'.encode())
            order = np.random.default_rng((seed, key)).permutation(len(there))
            test[style] += [there[i] for i in sorted(order[:per_class])]
    for style in styles:
        ours = [n for n in names if n['style'] == style]
        others = [n for s in styles if s != style for n in test[s]]
        write_text(out / f'folds/{style}_train.txt', lines(ours))
        write_text(out / f'folds/{style}_test.txt', lines(others))


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    files = sorted(args.bvh_dir.glob('*.bvh'))
    if not files:
        raise FileNotFoundError(f'there is no .bvh file in {args.bvh_dir}')
    names = [_NAME.fullmatch(path.stem) for path in files]
    odd = [path.name for path, name in zip(files, names) if name is None]
    if odd:
        raise ValueError(
            f'{args.bvh_dir}: files must be <action>_<style>_<number>.bvh, '
            f'unlike {", ".join(odd[:3])}'
        )
    photos: list[Path] = []
    if args.backgrounds:
        photos = sorted(
            p
            for p in args.backgrounds.rglob('*')
            if p.suffix.lower() in _PHOTOS
        )
        if not photos:
            raise FileNotFoundError(
                f'--backgrounds: no photograph ({", ".join(_PHOTOS)}) in '
                f'{args.backgrounds}'
            )
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / 'lists/folds').mkdir(parents=True, exist_ok=True)
    listed = '\n'.join(
        p.relative_to(args.backgrounds).as_posix() for p in photos
    )
    settings = dict(
        seed=args.seed,
        size=args.size,
        fps=args.fps,
        backgrounds=zlib.crc32(listed.encode('utf-8', 'surrogateescape')),
    )
    for kind in ('still', 'panning'):
        settle(args.out, kind, settings, '*_*_*.mp4')
    size, todo = (args.size, args.size), []
    for path, name in zip(files, names):
        outs = [
            args.out / kind / name['action'] / f'{path.stem}.mp4'
            for kind in ('still', 'panning')
        ]
        if not all(out.exists() for out in outs):
            todo.append((path, outs))
    for path, outs in tqdm(todo, unit='motion', disable=not todo):
        videos = film(path, size, args.fps, args.seed, photos)
        for out, video in zip(outs, videos):
            write_mp4(out, video, args.fps)
    write_lists(names, args.out / 'lists', args.per_class, args.seed)
    print(f'{len(files)} motions, still and panning: {args.out}')


if __name__ == '__main__':
    main()
