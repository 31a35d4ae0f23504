#!/usr/bin/env python
"""Show the clips that a network is trained on, exactly as its pipeline does.

    python tools/browse_motion.py CONFIG [--image FILE | --video FILE]

Without a file, source number --index of the config's own training set is
used. For a pretraining config, the tool writes to --out-dir:

    sheet.png    the clip of every label, frame by frame: a contact sheet,
                 with the name of the source
    motion.gif, motion.mp4    the same, moving
    path.png     the path of the window over the source image (paper Fig. 2)
    mask.png     each clip without and with its static mask (paper Fig. 3)

For a fine-tuning config: sheet.png, motion.gif and motion.mp4 of the clip,
changed at random as in training, such as cropped, flipped and recoloured.
"""

import argparse
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

import numpy as np
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.config import Config

from mosi_mmaction.apis.networks import (
    class_names,
    read_config,
    training_pipeline,
)
from mosi_mmaction.datasets import EpochIndex
from mosi_mmaction.media.mp4 import write_mp4
from mosi_mmaction.media.paths import kind_of
from mosi_mmaction.method.motion import render
from mosi_mmaction.visualization import draw
from mosi_mmaction.visualization.motions import (
    draw_animation,
    draw_mask,
    draw_path,
    draw_sheet,
)

#: Label of a video that comes with none.
NO_LABEL = -1
#: Words in the names of transforms that change a source at random, and
#: exceptions.
CHANGES = ('Random', 'Flip', 'Jitter', 'Aug', 'Erasing', 'Crop')
CONSTANT = ('CenterCrop', 'ThreeCrop', 'TenCrop')


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
            results.update(modality='RGB', start_index=0)
            results['label'] = NO_LABEL
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


def titles_of(
    before: dict, packed: dict, names: list[str] | None = None
) -> list[str]:
    """Name every clip by its label.

    Args:
        before: Sample before packing.
        packed: Packed sample.
        names: Names of the classes of action videos, if known.
    """
    if 'motion' in before:
        pool = before['motion'].pool
        return [
            f'{name} ({row[0]}, {row[1]})' if not any(row[2:]) else name
            for name, row in zip(pool.names, pool.table.tolist())
        ]
    labels = packed['data_samples'].gt_label.tolist()
    known = [names[k] if names and k < len(names) else k for k in labels]
    title = f'label: {", ".join(map(str, known))}'
    if labels == [NO_LABEL]:
        title = 'a video without a label'
    return [title] * len(packed['inputs'])


def source_of(cfg: Config, args: argparse.Namespace, before: dict) -> str:
    """Say what is shown: the source, and what training does to it."""
    path = args.image or args.video
    if not path:
        path = before.get('img_path') or before.get('filename')
    parts = Path(path).parts[-2:] if path else ('a computer-drawn image',)
    text = f'source: {"/".join(parts)}'
    if not (args.image or args.video):
        text += f', number {args.index} of the training set'
    text += f'; epoch {args.epoch}, seed {args.seed}.'
    steps = [s['type'].split('.')[-1] for s in training_pipeline(cfg)]
    changes = [
        f'{step} (light and colours)' if 'ColorJitter' in step else step
        for step in steps
        if any(word in step for word in CHANGES) and step not in CONSTANT
    ]
    if changes:
        text += (
            f' Changed at random as in training: {", ".join(changes)}; '
            'another --epoch or --seed changes it otherwise.'
        )
    return text


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
    titles = titles_of(before, packed, class_names(cfg))
    source = source_of(cfg, args, before)
    out = Path(args.out_dir)

    def with_convention(picture: np.ndarray) -> np.ndarray:
        """Put what a direction means above a picture of labels."""
        if 'motion' not in before:
            return picture
        above = draw.convention(picture.shape[1])
        return draw.grid([above, picture], 1, gap=0)

    def explained(picture: np.ndarray) -> np.ndarray:
        """Put what a direction means, and the source, above a picture."""
        picture = with_convention(picture)
        return draw.caption(
            picture, draw.wrap(source, max(picture.shape[1], 360))
        )

    animation = [
        with_convention(picture)
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
