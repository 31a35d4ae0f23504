#!/usr/bin/env python
"""Show where a network looks in videos, and measure whether it is motion.

    python tools/gradcam.py CONFIG CHECKPOINT VIDEO... [--rendered 20]

VIDEO is a video file, a directory, or a list file (with --data-root). The tool
computes Grad-CAM of the network's last stage, for its own top prediction or
(--explain motion) for motion of any kind, and shows it next to the optical
flow (paper Fig. 4). All videos are measured; --pictures of them, spread evenly
over the list, are drawn: to see others, raise it or name just those videos. It
writes to --out-dir: sheet.png, a NAME.mp4 for each video drawn (frame | CAM |
flow), rendered.png, and report.json with the printed figures:

    AUC    area under the ROC curve of the CAM against the 20 % of the pixels
           with the largest flow, both averaged over the clip; mean and
           standard deviation over the videos, with randomly initialised
           networks and a centre prior for comparison
    share  of the CAM's mass inside the moving box, in clips that the config's
           own validation pipeline renders with static masks

Clips have the length of training clips and are --height pixels high; this may
be larger than in training, as convolutional networks take any size.
"""

import argparse
import json
from pathlib import Path

from mosi_mmaction.cli.arguments import (
    add_clip_arguments,
    add_network_arguments,
    read_options,
)
from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_network_arguments(parser)
    parser.add_argument(
        'videos',
        nargs='*',
        metavar='VIDEO',
        help='video file, directory of videos, or list file',
    )
    add_clip_arguments(parser)
    parser.add_argument('--out-dir', default='work_dirs/gradcam')
    parser.add_argument(
        '--num-clips',
        type=int,
        default=1,
        help='number of clips per video, spaced evenly '
        '(default: 1, from the middle)',
    )
    parser.add_argument(
        '--target-layer',
        metavar='NAME',
        help='layer to explain, such as backbone/layer4 (default: last stage)',
    )
    parser.add_argument(
        '--explain',
        choices=('top', 'motion'),
        default='top',
        help="what to explain: the network's top prediction, or that "
        'anything moves, which is all moving labels against the static one '
        '(pretraining only)',
    )
    parser.add_argument(
        '--random-inits',
        type=int,
        default=5,
        metavar='N',
        help='number of randomly initialised networks to compare with',
    )
    parser.add_argument(
        '--recrop',
        type=int,
        default=0,
        metavar='N',
        help='number of random windows to crop from each clip that show the '
        'motion away from the centre',
    )
    parser.add_argument(
        '--recrop-side',
        type=float,
        default=0.6,
        help="sides of those windows, as a share of the frame's sides",
    )
    parser.add_argument(
        '--rendered',
        type=int,
        default=0,
        metavar='N',
        help="number of the config's validation images to render clips of",
    )
    parser.add_argument(
        '--mask-ratio',
        nargs=2,
        type=float,
        metavar=('MIN', 'MAX'),
        help="side of the box in --rendered clips, as a share of the clip's "
        "side (default: the config's; the paper has 0.3 0.5)",
    )
    parser.add_argument(
        '--pictures',
        type=int,
        default=6,
        metavar='N',
        help='number of videos to draw, spread evenly over the list '
        '(default: %(default)s); all of them are measured',
    )
    parser.add_argument('--seed', type=int, default=0)
    # Videos may also come after the options.
    args = parser.parse_intermixed_args(argv)
    if not args.videos and not args.rendered:
        parser.error('nothing to explain: give a VIDEO, or --rendered N')
    return args


if __name__ == '__main__':
    start(parse_args)

# First, because it says what to install if matplotlib is missing.
import mosi_mmaction.visualization  # noqa: F401  isort: skip

from mmaction.registry import DATASETS

from mosi_mmaction.apis.networks import (
    build_network,
    class_names,
    clip_settings,
    read_config,
)
from mosi_mmaction.apis.videos import find_videos
from mosi_mmaction.files import write_text
from mosi_mmaction.visualization.cam import CAM
from mosi_mmaction.visualization.where_it_looks import (
    RANDOM,
    TRAINED,
    enlarge_clips,
    look_at_rendered,
    look_at_videos,
)


def shown(figure: dict) -> str:
    """Return a mean with its standard deviation as text."""
    if not figure['n']:
        return 'nothing moves'
    if figure['n'] == 1:
        return f'{figure["mean"]:.2f} (n=1)'
    return f'{figure["mean"]:.2f} ± {figure["sd"]:.2f} (n={figure["n"]})'


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    cfg = read_config(args.config, read_options(args.cfg_options))
    clip_len, interval, side = clip_settings(cfg)
    args.height = args.height or max(96, side)
    # Check the data before computing anything.
    videos, dataset = [], None
    if args.videos:
        videos = find_videos(args.videos, args.data_root)
    if args.rendered:
        dataset = DATASETS.build(
            enlarge_clips(cfg, args.height, args.mask_ratio)
        )

    def cam(checkpoint, seed=0):
        model = build_network(cfg, checkpoint, seed, args.device)
        return CAM(model, args.target_layer, args.explain, class_names(cfg))

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
        write_text(out_dir / 'report.json', text)

    if videos:
        report.update(
            look_at_videos(
                videos,
                cams,
                out_dir,
                clip_len=clip_len,
                interval=args.interval or interval,
                height=args.height,
                num_clips=args.num_clips,
                explain=args.explain,
                recrop=args.recrop,
                recrop_side=args.recrop_side,
                pictures=args.pictures,
                seed=args.seed,
            )
        )
        for framing, figures in report['auc'].items():
            for name, figure in figures.items():
                print(f'AUC, {framing}: {name}: {shown(figure)}')
        drawn = report['drawn']
        if 0 < len(drawn) < len(videos):
            print(
                f'drew {len(drawn)} of {len(videos)} videos, spread over the '
                'list (to see others: --pictures N, or name them as VIDEO): '
                f'{", ".join(drawn)}'
            )
        write_report()
    if dataset is not None:
        report['rendered'] = look_at_rendered(
            dataset, cams, out_dir, args.rendered
        )
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
