"""Remake the pictures of docs/visualize.md: `make pictures`.

    python docs/pictures/make.py [--checkpoint FILE]

Everything shown is rendered here: dead-leaves images, and action videos of
sprites. No photographs or recorded videos are needed. The network is the
demo's (`make demo`); if there is none, it is pretrained first, which takes
some minutes.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mosi_mmaction import config_path
from mosi_mmaction.synthetic.dead_leaves import draw_dead_leaves
from mosi_mmaction.synthetic.write import write_action_videos
from mosi_mmaction.visualization import draw

HERE = Path(__file__).resolve().parent
TOOLS = HERE.parents[1] / 'tools'
CONFIG = 'tiny/mosi_r2p1d_deadleaves'


def tool(name: str, *argv: object) -> None:
    """Run one of the tools."""
    subprocess.run(
        [sys.executable, '-W', 'ignore', str(TOOLS / name), *map(str, argv)],
        check=True,
    )


def without_jitter(directory: Path) -> Path:
    """Write a pretraining config whose clips keep their colours.

    In training every frame is recoloured, which makes motion hard to follow.
    """
    cfg = Config.fromfile(config_path('mosi_r2p1d_imagenet'))
    for part in ('train', 'val', 'test'):
        dataset = cfg[f'{part}_dataloader'].dataset
        dataset.pipeline = [
            step
            for step in dataset.pipeline
            if step['type'] != 'DrawColorJitter'
        ]
    path = directory / 'without_jitter.py'
    cfg.dump(path)
    return path


def from_best_to_worst(report: Path, count: int) -> list[str]:
    """Choose videos by rank, so that none is picked by hand.

    Args:
        report: report.json of gradcam.py.
        count: Number of videos.

    Returns:
        The videos with the highest and the lowest AUC as filmed, and those
        at equal steps of rank between them.
    """
    measured = [
        v
        for v in json.loads(report.read_text(encoding='utf-8'))['videos']
        if v['framing'] == 'as filmed' and v['auc'] is not None
    ]
    measured.sort(key=lambda v: (-v['auc'], v['video']))
    ranks = np.linspace(0, len(measured) - 1, count).round().astype(int)
    return [measured[rank]['video'] for rank in ranks]


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--checkpoint',
        type=Path,
        metavar='FILE',
        help=f'checkpoint of {CONFIG}',
    )
    parser.add_argument(
        '--run',
        type=Path,
        metavar='DIR',
        help="work dir of that run (default: the checkpoint's directory)",
    )
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/pictures')
    )
    args = parser.parse_args()
    work = args.work_dir
    checkpoint = args.checkpoint
    if checkpoint is None:
        demo = Path('work_dirs/demo/mosi')
        there = [
            p
            for p in demo.glob('epoch_*.pth')
            if p.stem[len('epoch_') :].isdigit()
        ]
        if not there:
            demo = work / 'pretrain'
            tool(
                'train.py',
                CONFIG,
                '--work-dir',
                demo,
                '--cfg-options',
                'train_cfg.max_epochs=8',
                'param_scheduler.1.T_max=7',
                'param_scheduler.1.end=8',
            )
            there = [demo / 'epoch_8.pth']
        checkpoint = max(there, key=lambda p: int(p.stem[len('epoch_') :]))
    run = args.run or checkpoint.parent

    image = draw.write_png(
        work / 'leaves.png', draw_dead_leaves(320, np.random.default_rng(4))
    )
    videos = work / 'videos'
    # Wider than high, so that re-framed windows have room on both sides.
    write_action_videos(videos, 2, 'pictures', height=96, width=128)
    tool(
        'browse_motion.py',
        without_jitter(work),
        '--image',
        image,
        '--side',
        80,
        '--out-dir',
        work / 'browse',
    )
    gradcam = ('gradcam.py', CONFIG, checkpoint)
    options = ('--explain', 'motion', '--random-inits', 2, '--recrop', 1)
    # The figures of docs/visualize.md; an image for each label that moves.
    tool(
        *gradcam,
        videos / 'pictures',
        *options,
        *('--rendered', 8, '--mask-ratio', 0.3, 0.5, '--pictures', 0),
        *('--out-dir', work / 'gradcam'),
    )
    tool(
        *gradcam,
        *from_best_to_worst(work / 'gradcam/report.json', 4),
        *options,
        *('--pictures', 4, '--out-dir', work / 'gradcam_shown'),
    )
    tool(
        'embed.py',
        CONFIG,
        checkpoint,
        videos / 'pictures',
        '--out-dir',
        work / 'embed',
    )
    tool('plot_logs.py', 'curves', run, '--out', work / 'curves.png')
    tool(
        'plot_logs.py',
        'confusion',
        CONFIG,
        checkpoint,
        '--out',
        work / 'confusion.png',
    )
    for source, name in (
        ('browse/sheet.png', 'motions.png'),
        ('browse/motion.gif', 'motions.gif'),
        ('browse/path.png', 'path.png'),
        ('browse/mask.png', 'mask.png'),
        ('gradcam_shown/sheet.png', 'gradcam.png'),
        ('gradcam/rendered.png', 'gradcam_rendered.png'),
        ('embed/clusters.png', 'clusters.png'),
        ('curves.png', 'curves.png'),
        ('confusion.png', 'confusion.png'),
    ):
        shutil.copyfile(work / source, HERE / name)
    print(f'wrote the pictures of {HERE}')


if __name__ == '__main__':
    main()
