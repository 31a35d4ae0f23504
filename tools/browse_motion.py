#!/usr/bin/env python
"""Show the clips that a network is trained on, exactly as its pipeline does.

    python tools/browse_motion.py CONFIG [--image FILE | --video FILE]

Without a file, source number --index of the config's own training set is
used. For a pretraining config, the tool writes to --out-dir:

    sheet.png    the clip of every label, frame by frame: a contact sheet
    motion.gif, motion.mp4    the same, moving
    path.png     the path of the window over the source image (paper Fig. 2)
    mask.png     each clip without and with its static mask (paper Fig. 3)

For a fine-tuning config: sheet.png, motion.gif and motion.mp4 of the clip.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from mosi_mmaction.cli.arguments import add_network_arguments, read_options
from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser, checkpoint=False, device=False)
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--image', metavar='FILE', help='source image')
    source.add_argument(
        '--video', metavar='FILE', help='video to take a frame or clip from'
    )
    parser.add_argument(
        '--index',
        type=int,
        default=0,
        help='index of the source in the training set',
    )
    parser.add_argument(
        '--epoch', type=int, default=0, help='epoch whose draws to show'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='seed of the draws'
    )
    parser.add_argument('--out-dir', default='work_dirs/browse_motion')
    parser.add_argument(
        '--side',
        type=int,
        default=112,
        help='height of a frame in the pictures, in pixels',
    )
    parser.add_argument('--fps', type=float, default=8)
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

import cv2
import numpy as np
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.config import Config

from mosi_mmaction.apis.networks import read_config, training_pipeline
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.media.mp4 import write_mp4
from mosi_mmaction.media.paths import kind_of
from mosi_mmaction.method.motion import PseudoMotion, render
from mosi_mmaction.visualization import draw

START, END, BOX = (0, 160, 0), (220, 0, 0), (0, 220, 0)


def pipeline_samples(
    cfg: Config, args: argparse.Namespace
) -> tuple[dict, dict]:
    """Run the training pipeline over one source.

    Returns:
        The sample before and after packing.

    Raises:
        ValueError: If the pipeline does not load this kind of file.
    """
    steps = training_pipeline(cfg)
    epoch_index = EpochIndex(args.index, args.seed, args.epoch)
    if args.image or args.video:
        path = args.image or args.video
        if not Path(path).is_file():
            raise FileNotFoundError(f'there is no file {path!r}')
        if kind_of(path)[1] != ('image' if args.image else 'video'):
            raise ValueError(
                f'{path}: by its extension this is of kind '
                f'{kind_of(path)[1]}, so use --{kind_of(path)[1]}'
            )
        results = {kind_of(path)[0]: path}
        if not args.image:
            results.update(modality='RGB', start_index=0, label=-1)
        elif any('SampleFrames' in s['type'] for s in steps):
            raise ValueError(
                f'--image: {cfg.filename} trains on clips of '
                'videos; use --video'
            )
        # Computer-drawn sources need no loading; files do.
        if not any('Load' in s['type'] or 'Init' in s['type'] for s in steps):
            steps = [dict(type='LoadSourceFrame'), *steps]
    else:
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        while not hasattr(dataset, 'get_data_info'):
            dataset = getattr(dataset, 'dataset', None) or dataset.datasets[0]
        results = dataset.get_data_info(args.index)
    results['sample_idx'] = epoch_index
    before = {}
    for step in steps:
        before = dict(results)
        results = TRANSFORMS.build(step)(results)
    return before, results


def clips_of(
    before: dict, packed: dict, other: np.ndarray | None = None
) -> np.ndarray:
    """Return the clips that the network gets, (C, N, H, W, 3) uint8 RGB.

    If the pipeline leaves rendering to the device, they are rendered here
    from the packed plan; ``other`` is the source image of the next sample,
    for foregrounds that show it.
    """
    inputs = packed['inputs']
    if inputs.ndim == 3:  # (3, H, W), a source image
        image = inputs.permute(1, 2, 0).numpy()
        return render(image, before['motion'], other=other)
    if inputs.shape[1] != 3:
        raise ValueError(
            f'inputs are {tuple(inputs.shape)}; only 3D networks can be '
            'shown, (clips, 3, frames, height, width)'
        )
    return inputs.permute(0, 2, 3, 4, 1).numpy()


def titles_of(before: dict, packed: dict) -> list[str]:
    """Name every clip by its label."""
    if 'motion' in before:
        pool = before['motion'].pool
        return [
            f'{name} ({row[0]}, {row[1]})' if not any(row[2:]) else name
            for name, row in zip(pool.names, pool.table.tolist())
        ]
    label = packed['data_samples'].gt_label.tolist()
    return [f'label {label}'] * len(packed['inputs'])


def chosen_frames(count: int, most: int = 8) -> list[int]:
    """Return evenly spaced frames to show, including first and last."""
    return np.unique(
        np.rint(np.linspace(0, count - 1, min(count, most))).astype(int)
    ).tolist()


def draw_sheet(clips: np.ndarray, titles: list[str], side: int) -> np.ndarray:
    """Draw a row of frames for every clip."""
    frames = chosen_frames(clips.shape[1])
    rows = []
    for clip, title in zip(clips, titles):
        row = draw.grid(
            [draw.enlarge(clip[n], side) for n in frames], len(frames), gap=2
        )
        rows.append(
            draw.caption(
                row, f'{title}   frames {", ".join(map(str, frames))}'
            )
        )
    return draw.grid(rows, 1)


def draw_animation(
    clips: np.ndarray, titles: list[str], side: int
) -> list[np.ndarray]:
    """Draw all clips side by side, one picture for every frame."""
    columns = int(np.ceil(np.sqrt(len(clips))))
    return [
        draw.grid(
            [
                draw.caption(draw.enlarge(clip[n], side), title)
                for clip, title in zip(clips, titles)
            ],
            columns,
        )
        for n in range(clips.shape[1])
    ]


def draw_path(
    image: np.ndarray, plan: PseudoMotion, titles: list[str], side: int
) -> np.ndarray:
    """Draw start, end and path of the window over the source (Fig. 2).

    The possible start area is dashed and brighter: it is everything seen by
    windows from which the end still lies inside the source.
    """
    height, width = plan.source_size
    scale = side / height
    canvas = draw.enlarge(image, side)
    tiles = []
    for offsets, title in zip(plan.offsets, titles):
        first, last = offsets[0], offsets[-1]
        way = last - first
        low = np.maximum(-way, 0)
        high = (width, height) - np.maximum(way, 0)
        picture = canvas // 2
        x1, y1, x2, y2 = np.rint(np.concatenate([low, high]) * scale).astype(
            int
        )
        picture[y1:y2, x1:x2] = canvas[y1:y2, x1:x2]
        dashed(picture, (x1, y1, x2, y2))
        for at, color in ((last, END), (first, START)):
            box = np.rint(
                np.concatenate([at, at + plan.crop_size]) * scale
            ).astype(int)
            picture = draw.outline(picture, box, color, 2)
        centres = (
            np.rint((offsets + plan.crop_size / 2) * scale)
            .astype(int)
            .tolist()
        )
        for centre in centres:
            cv2.circle(picture, centre, 2, (255, 255, 255), -1)
        if way.any():
            cv2.arrowedLine(
                picture,
                centres[0],
                centres[-1],
                (255, 255, 255),
                1,
                cv2.LINE_AA,
                0,
                0.15,
            )
        tiles.append(
            draw.caption(picture, f'{title}  D = ({way[0]}, {way[1]}) px')
        )
    columns = int(np.ceil(np.sqrt(len(tiles))))
    return draw.caption(
        draw.grid(tiles, columns),
        'start: green, end: red, possible start area: dashed',
    )


def dashed(picture: np.ndarray, box: tuple[int, int, int, int]) -> None:
    """Draw a dashed white box into a picture, in place."""
    x1, y1, x2, y2 = box
    x2, y2 = x2 - 1, y2 - 1
    for x in range(x1, x2 + 1):
        if (x - x1) // 4 % 2 == 0:
            picture[[y1, y2], x] = 255
    for y in range(y1, y2 + 1):
        if (y - y1) // 4 % 2 == 0:
            picture[y, [x1, x2]] = 255


def draw_mask(
    image: np.ndarray,
    plan: PseudoMotion,
    clips: np.ndarray,
    titles: list[str],
    side: int,
) -> np.ndarray:
    """Draw every clip without and with its static mask (Fig. 3).

    Frame q, which all frames show outside the box, has a red border in the
    upper row; with a moving background, there is none.
    """
    unmasked = render(
        image,
        replace(
            plan,
            boxes=None,
            background=None,
            matte=None,
            distractors=None,
            camera=None,
            texture='same',
        ),
    )
    frames = chosen_frames(plan.clip_len)
    rows = []
    for c, title in enumerate(titles):
        q = None if plan.background is None else int(plan.background[c])
        shown = sorted({*frames, *([] if q is None else [q])})
        boxes = plan.frame_boxes[c].clip(0, plan.crop_size)
        boxes = np.rint(boxes * side / plan.crop_size).astype(int)
        pairs = []
        for source, with_mask in ((unmasked[c], False), (clips[c], True)):
            for n in shown:
                tile = draw.enlarge(source[n], side)
                if with_mask:
                    tile = draw.outline(tile, boxes[n], BOX, 2)
                elif n == q:
                    tile = draw.outline(tile, (0, 0, side, side), END, 3)
                pairs.append(tile)
        ratio = (plan.boxes[c, 2] - plan.boxes[c, 0]) / plan.crop_size
        rows.append(
            draw.caption(
                draw.grid(pairs, len(shown), gap=2),
                f'{title}   background: '
                + ('moves' if q is None else f'frame q = {q} (red)')
                + f'; box (green): {ratio:.2f} of the side',
            )
        )
    return draw.grid(rows, 1)


def browse(cfg: Config, args: argparse.Namespace) -> list[Path]:
    """Write all pictures; return their files."""
    before, packed = pipeline_samples(cfg, args)
    other = None
    if 'motion' in before and before['motion'].texture == 'other':
        following = argparse.Namespace(
            **{**vars(args), 'index': args.index + 1}
        )
        other = pipeline_samples(cfg, following)[0]['img']
    clips = clips_of(before, packed, other)
    titles = titles_of(before, packed)
    out = Path(args.out_dir)

    def explained(picture: np.ndarray) -> np.ndarray:
        """Put what a direction means above a picture of labels."""
        if 'motion' not in before:
            return picture
        return draw.grid([draw.convention(), picture], 1, gap=0)

    animation = [
        explained(picture)
        for picture in draw_animation(clips, titles, args.side)
    ]
    files = [
        draw.write_png(
            out / 'sheet.png',
            explained(draw_sheet(clips, titles, args.side)),
        ),
        draw.write_gif(out / 'motion.gif', animation, args.fps),
        write_mp4(out / 'motion.mp4', animation, args.fps),
    ]
    plan: Any = before.get('motion')
    if plan is None:
        return files
    files.append(
        draw.write_png(
            out / 'path.png',
            explained(draw_path(before['img'], plan, titles, 2 * args.side)),
        )
    )
    if plan.boxes is not None:
        files.append(
            draw.write_png(
                out / 'mask.png',
                explained(
                    draw_mask(before['img'], plan, clips, titles, args.side)
                ),
            )
        )
    return files


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    cfg = read_config(args.config, read_options(args.cfg_options))
    for file in browse(cfg, args):
        print(f'wrote {file}')


if __name__ == '__main__':
    main()
