#!/usr/bin/env python
"""Show where a network looks in videos, and measure whether that moves.

    python tools/gradcam.py CONFIG CHECKPOINT VIDEO... [--rendered 20]

VIDEO is a video file, a folder, or a list file (with --data-root). Grad-CAM
of the network's last stage, for its own top prediction or (--explain motion)
for motion of any kind, beside the optical flow (paper Fig. 4). Written to
--out-dir: sheet.png, a NAME.mp4 for each video shown (frame | CAM | flow),
rendered.png, report.json with the figures printed:

    AUC    area under the ROC of the CAM against the 20 % of the pixels with
           the largest flow, both averaged over the clip; mean and standard
           deviation over the videos, beside randomly initialised networks
           and a prior that looks at the centre
    share  of the CAM's mass inside of the box that moves, in clips that the
           config's own validation pipeline renders with static masks

Clips are as long as those of training, and --height pixels high; that may
be more than in training, as networks of convolutions take any size.
"""

import argparse
import copy
import json
from pathlib import Path

from mosi_mmaction.cli.arguments import add_config_options, read_options
from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config', help='config file, or name of a config of mosi_mmaction'
    )
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        'videos',
        nargs='*',
        metavar='VIDEO',
        help='video file, folder of videos, or list file',
    )
    parser.add_argument(
        '--data-root',
        default='',
        metavar='DIR',
        help='folder that list files are relative to',
    )
    parser.add_argument('--out-dir', default='work_dirs/gradcam')
    parser.add_argument(
        '--height',
        type=int,
        help='of the clips in pixels; default: 96, or '
        'the side of the training clips if that is more',
    )
    parser.add_argument(
        '--interval',
        type=int,
        help="frames between two of a clip; default: the config's, or 2",
    )
    parser.add_argument(
        '--num-clips',
        type=int,
        default=1,
        help='clips a video, spread evenly; default: 1, from the middle',
    )
    parser.add_argument(
        '--target-layer',
        metavar='NAME',
        help='such as backbone/layer4; default: last stage',
    )
    parser.add_argument(
        '--explain',
        choices=('top', 'motion'),
        default='top',
        help="the network's top prediction, or that anything moves: all "
        'moving labels against the static one (pretraining only)',
    )
    parser.add_argument(
        '--random-inits',
        type=int,
        default=5,
        metavar='N',
        help='randomly initialised networks to compare with',
    )
    parser.add_argument(
        '--recrop',
        type=int,
        default=0,
        metavar='N',
        help='also cut N random windows out of each clip that show the '
        'motion off centre',
    )
    parser.add_argument(
        '--recrop-side',
        type=float,
        default=0.6,
        help='sides of those windows, as a share',
    )
    parser.add_argument(
        '--rendered',
        type=int,
        default=0,
        metavar='N',
        help="also render clips of N of the config's validation images",
    )
    parser.add_argument(
        '--mask-ratio',
        nargs=2,
        type=float,
        metavar=('MIN', 'MAX'),
        help="of --rendered: side of the box as a share of the clip's; "
        "default: the config's; the paper has 0.3 0.5",
    )
    parser.add_argument(
        '--pictures', type=int, default=6, metavar='N', help='videos to draw'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--device', default='cpu')
    add_config_options(parser)
    # Videos may also come behind the options.
    args = parser.parse_intermixed_args(argv)
    if not args.videos and not args.rendered:
        parser.error('nothing to look at: give a VIDEO, or --rendered N')
    return args


if __name__ == '__main__':
    start(parse_args)

import numpy as np
from mmaction.registry import DATASETS
from mmengine.config import Config
from torch.utils.data import Dataset

from mosi_mmaction.apis.networks import (
    build_network,
    clip_settings,
    read_config,
)
from mosi_mmaction.apis.videos import Video, find_videos, read_clips
from mosi_mmaction.media.mp4 import write_mp4
from mosi_mmaction.visualization import draw
from mosi_mmaction.visualization.cam import CAM
from mosi_mmaction.visualization.measure import (
    centre_prior,
    flow_auc,
    magnitude,
    off_centre_window,
    optical_flow,
    share_inside,
)

#: Height of the pictures on the sheet and in the videos, in pixels.
SHOWN = 192

TRAINED, RANDOM, CENTRE = 'network', 'random initialisation', 'centre prior'


def resized(clip: np.ndarray, height: int) -> np.ndarray:
    """Resize all frames of a clip to a height in pixels."""
    return np.stack([draw.enlarge(frame, height) for frame in clip])


def average(values: list[float]) -> dict:
    """Mean and standard deviation of the values that are defined."""
    values = np.array(values, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return dict(mean=None, sd=None, n=0)
    return dict(
        mean=float(values.mean()), sd=float(values.std()), n=len(values)
    )


def shown(figure: dict) -> str:
    """Write a mean with its standard deviation."""
    if not figure['n']:
        return 'nothing moves'
    return f'{figure["mean"]:.2f} ± {figure["sd"]:.2f} (n={figure["n"]})'


def measure(clip: np.ndarray, cams: dict[str, list[CAM]]) -> tuple:
    """Compute maps and figures of one clip.

    Returns:
        The AUC of every network, by name; the trained network's map; its
        prediction; the flow's magnitude, (N - 1, H, W).
    """
    moved = magnitude(optical_flow(clip))
    motion = moved.mean(0)
    aucs, kept = {}, None
    for name, networks in cams.items():
        results = [cam(clip) for cam in networks]
        aucs[name] = [flow_auc(m.mean(0), motion) for m, _ in results]
        if name == TRAINED:
            kept = results[0]
    aucs[CENTRE] = [flow_auc(centre_prior(*motion.shape), motion)]
    return aucs, *kept, moved


def panels(
    clip: np.ndarray, cam: np.ndarray, moved: np.ndarray
) -> list[list[np.ndarray]]:
    """Draw frame, overlay and flow of every frame of a clip.

    The flow is that to the next frame; its brightest is the clip's 99.5th
    percentile.
    """
    clip = resized(clip, SHOWN)
    size = clip.shape[2], clip.shape[1]
    scale = max(float(np.quantile(moved, 0.995)), 1e-6)

    def fit(values):
        return draw.cv2.resize(values.astype(np.float32), size)

    return [
        [
            frame,
            draw.overlay(frame, fit(cam[n])),
            draw.heat(fit(moved[min(n, len(moved) - 1)] / scale)),
        ]
        for n, frame in enumerate(clip)
    ]


def look_at_videos(
    videos: list[Video],
    cams: dict[str, list[CAM]],
    args: argparse.Namespace,
    clip_len: int,
    interval: int,
) -> dict:
    """Measure all videos, draw the first ones; return the figures."""
    figures, rows = {'as filmed': {}}, []
    if args.recrop:
        figures['re-framed'] = {}
    per_video, rng = [], np.random.default_rng(args.seed)
    out_dir = Path(args.out_dir)
    # Spread over the list: the first videos are often of one class.
    pictured = {i * len(videos) // args.pictures for i in range(args.pictures)}
    for i, video in enumerate(videos):
        frames = []
        framings = dict.fromkeys(figures, 1)
        framings['re-framed'] = args.recrop
        for clip in read_clips(video.path, clip_len, interval, args.num_clips):
            motion = magnitude(optical_flow(clip)).mean(0)
            for framing, all_aucs in figures.items():
                for nth in range(framings[framing]):
                    cut = clip
                    if framing == 're-framed':
                        x1, y1, x2, y2 = off_centre_window(
                            motion, args.recrop_side, 0.25, rng
                        )
                        cut = clip[:, y1:y2, x1:x2]
                    cut = resized(cut, args.height)
                    aucs, cam, predicted, moved = measure(cut, cams)
                    explained = (
                        predicted if args.explain == 'top' else 'motion'
                    )
                    for name, values in aucs.items():
                        all_aucs.setdefault(name, []).extend(values)
                    per_video.append(
                        dict(
                            video=video.path,
                            framing=framing,
                            predicted=predicted,
                            auc=aucs[TRAINED][0],
                        )
                    )
                    if i not in pictured or nth:
                        continue
                    drawn = panels(cut, cam, moved)
                    if framing == 'as filmed':
                        frames += drawn
                    middle = drawn[len(drawn) // 2]
                    mean_cam = panels(
                        cut,
                        cam.mean(0)[None].repeat(len(cut), 0),
                        moved.mean(0)[None],
                    )[len(cut) // 2]
                    titles = (
                        'frame',
                        f'mean CAM of {explained}',
                        f'mean flow: AUC {aucs[TRAINED][0]:.2f}',
                    )
                    title = (
                        video.name
                        if framing == 'as filmed'
                        else f'{video.name}, re-framed'
                    )
                    rows.append(
                        draw.caption(
                            draw.grid(
                                [
                                    draw.caption(p, t)
                                    for p, t in zip(
                                        (middle[0], *mean_cam[1:]), titles
                                    )
                                ],
                                3,
                            ),
                            title,
                        )
                    )
        if frames:
            titles = ('frame', f'CAM of {explained}', 'flow')
            write_mp4(
                out_dir / f'{video.name}.mp4',
                [
                    draw.grid(
                        [draw.caption(p, t) for p, t in zip(f, titles)], 3
                    )
                    for f in frames
                ],
            )
    draw.write_png(out_dir / 'sheet.png', draw.grid(rows, 2, gap=8))
    return dict(
        auc={
            framing: {
                name: average(values) for name, values in all_aucs.items()
            }
            for framing, all_aucs in figures.items()
        },
        videos=per_video,
    )


def enlarge_clips(
    cfg: Config, height: int, mask_ratio: list[float] | None = None
) -> Config:
    """Change a validation data set to clips of another size, same motion.

    The room around the crop keeps its size in pixels, so that all speeds
    do; the mask's side is a ratio and grows with the crop.

    Args:
        cfg: A pretraining config.
        height: New side of the crop in pixels.
        mask_ratio: Other sides of the moving box, as shares of the crop's.

    Returns:
        The config of the data set, without the packing.

    Raises:
        ValueError: If the config does not pretrain, or has no static mask.
    """
    dataset = (cfg.get('val_dataloader') or {}).get('dataset')
    dataset = copy.deepcopy(Config(dict(dataset=dataset)).dataset)
    steps = {s['type']: s for s in (dataset or {}).get('pipeline', ())}
    if 'DrawStaticMask' not in steps:
        raise ValueError(
            f'--rendered: the validation pipeline of {cfg.filename} has no '
            'DrawStaticMask, so there is no box to look at; it is for '
            'pretraining with static masks'
        )
    motion, source = steps['DrawPseudoMotion'], steps['CropSource']
    if mask_ratio:
        steps['DrawStaticMask']['side_ratio'] = tuple(mask_ratio)
    room = source.get('size', 320) - motion.get('crop_size', 112)
    motion['crop_size'], source['size'] = height, height + room
    for step in (*dataset.pipeline, dataset):
        for key in ('short_side', 'size'):
            if key in step:
                step[key] = height + room
    dataset.pipeline = [
        s
        for s in dataset.pipeline
        if s['type'] not in ('RenderPseudoMotion', 'PackMoSIInputs')
    ]
    dataset.pipeline.append(dict(type='RenderPseudoMotion'))
    return dataset


def look_at_rendered(
    dataset: Dataset, cams: dict[str, list[CAM]], args: argparse.Namespace
) -> dict:
    """Measure rendered masked clips, draw some; return the figures.

    Args:
        dataset: Built of :func:`enlarge_clips`.
        cams: Networks, by name.
        args: Of the command line.
    """
    shares, areas, tiles = {name: [] for name in cams}, [], []
    right = []
    for i in range(min(args.rendered, len(dataset))):
        sample = dataset[i]
        plan = sample['motion']
        for c, clip in enumerate(sample['imgs']):
            if not plan.pool.table[c].any():
                continue  # nothing moves: the box is as still as the rest
            box = plan.boxes[c]
            areas.append(share_inside(np.ones(clip.shape[1:3]), box))
            for name, networks in cams.items():
                for cam in networks:
                    values, predicted = cam(clip)
                    shares[name].append(share_inside(values.mean(0), box))
                    if name == TRAINED:
                        right.append(predicted == plan.pool.names[c])
                        kept = values
            if c == i % len(plan.pool) and len(tiles) < 12:
                picture = draw.overlay(
                    draw.enlarge(clip[len(clip) // 2], SHOWN),
                    draw.cv2.resize(kept.mean(0), (SHOWN, SHOWN)),
                )
                picture = draw.outline(
                    picture, box * SHOWN / clip.shape[1], (255, 255, 255), 2
                )
                tiles.append(
                    draw.caption(
                        picture,
                        f'{plan.pool.names[c]}: '
                        f'{shares[TRAINED][-1]:.0%} in {areas[-1]:.0%}',
                    )
                )
    if tiles:
        draw.write_png(
            Path(args.out_dir) / 'rendered.png', draw.grid(tiles, 4)
        )
    return dict(
        area=average(areas),
        named_right=average(right),
        share={k: average(v) for k, v in shares.items()},
    )


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    cfg = read_config(args.config, read_options(args.cfg_options))
    clip_len, interval, side = clip_settings(cfg)
    args.height = args.height or max(96, side)
    # What can be wrong with the data is said before anything is computed.
    videos, dataset = [], None
    if args.videos:
        videos = find_videos(args.videos, args.data_root)
    if args.rendered:
        dataset = DATASETS.build(
            enlarge_clips(cfg, args.height, args.mask_ratio)
        )

    def cam(checkpoint, seed=0):
        model = build_network(cfg, checkpoint, seed, args.device)
        return CAM(model, args.target_layer, args.explain)

    cams = {TRAINED: [cam(args.checkpoint)]}
    if args.random_inits:
        cams[RANDOM] = [
            cam(None, args.seed + i) for i in range(args.random_inits)
        ]
    report = dict(
        config=args.config,
        checkpoint=args.checkpoint,
        explain=args.explain,
        height=args.height,
        clip_len=clip_len,
    )
    out_dir = Path(args.out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)

    def write_report():
        text = json.dumps(report, indent=1) + '\n'
        (out_dir / 'report.json').write_text(text)

    if videos:
        report.update(
            look_at_videos(
                videos,
                cams,
                args,
                clip_len,
                args.interval or interval,
            )
        )
        for framing, figures in report['auc'].items():
            for name, figure in figures.items():
                print(f'AUC, {framing}: {name}: {shown(figure)}')
        write_report()
    if dataset is not None:
        report['rendered'] = look_at_rendered(dataset, cams, args)
        area = report['rendered']['area']
        print(
            f'area of the box: {shown(area)}; named right: '
            f'{report["rendered"]["named_right"]["mean"]:.2f}'
        )
        for name, figure in report['rendered']['share'].items():
            print(
                f'share of the CAM in the box: {name}: {shown(figure)}, '
                f'{figure["mean"] / area["mean"]:.2f} x the area'
            )
        write_report()
    print(f'wrote {out_dir}')


if __name__ == '__main__':
    main()
