"""The whole method at a size for two CPU cores: `make demo`.

A tiny R(2+1)D learns motion from computer-drawn still images (MoSI). It then
learns to recognise actions in rendered videos, once from scratch and once from
MoSI, with the same budget. All figures are measured in this run.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from mosi_mmaction.cli.start import start


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/demo')
    )
    parser.add_argument(
        '--seeds',
        type=int,
        default=3,
        help='number of fine-tuning runs of each kind',
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=2,
        help='number of simultaneous training processes',
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

import matplotlib
import numpy as np

from mosi_mmaction import DeadLeavesDataset
from mosi_mmaction.files import whole_file
from mosi_mmaction.reproduction.run_scheduler import execute
from mosi_mmaction.reproduction.runs import Run
from mosi_mmaction.synthetic.sprite_actions import ACTIONS
from mosi_mmaction.synthetic.write import write_action_videos

matplotlib.use('Agg')
CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
PRETRAIN_EPOCHS = 5
FINETUNE_EPOCHS = 40
TRAIN_VIDEOS = 8  # per class
TEST_VIDEOS = 6


def declare(videos: Path, seeds: int) -> list[Run]:
    """Declare the runs of the demo.

    Pretraining and the runs from scratch are independent of each other.
    """
    pretrain = Run(
        'mosi',
        str(CONFIGS / 'tiny/mosi_r2p1d_deadleaves.py'),
        PRETRAIN_EPOCHS,
        cost=30.0,
    )  # in epochs of fine-tuning
    finetune = str(CONFIGS / 'tiny/finetune_r2p1d_actions.py')
    # A test takes ten clips per video, so there are few of them.
    options = {
        'train_cfg.val_interval': FINETUNE_EPOCHS // 2,
        'default_hooks.checkpoint.interval': FINETUNE_EPOCHS // 4,
    }
    for split in ('train', 'val'):
        dataset = f'{split}_dataloader.dataset'
        name = 'train' if split == 'train' else 'test'
        options[f'{dataset}.ann_file'] = str(videos / f'{name}.txt')
        options[f'{dataset}.data_prefix.video'] = str(videos)
    return [pretrain] + [
        Run(
            f'finetune_{kind}_seed{seed}',
            finetune,
            FINETUNE_EPOCHS,
            seed,
            init,
            options,
        )
        for kind, init in (('scratch', None), ('mosi', 'mosi'))
        for seed in range(seeds)
    ]


def summarize(results: dict, seeds: int, seconds: float) -> dict:
    """Return the report: means, and lists over seeds."""

    def of(kind):
        top1 = [
            results[f'finetune_{kind}_seed{s}']['final']['acc/top1']
            for s in range(seeds)
        ]
        return dict(mean=statistics.mean(top1), seeds=top1)

    pretext = results['mosi']['final']['pretext/top1']
    return dict(
        pretext_top1=dict(mean=pretext, seeds=[pretext]),
        scratch_top1=of('scratch'),
        mosi_top1=of('mosi'),
        chance=1 / len(ACTIONS),
        seconds=seconds,
        curves={name: r['curve'] for name, r in results.items()},
    )


def print_table(report: dict) -> None:
    """Print the results as one table."""
    rows = [
        ('pretext: 9 motions, held-out images', 'pretext_top1'),
        (f'{len(ACTIONS)} actions, from scratch', 'scratch_top1'),
        (f'{len(ACTIONS)} actions, from MoSI', 'mosi_top1'),
    ]
    print(f'\n{"":38}{"top-1":>8}   seeds')
    for title, key in rows:
        value = report[key]
        seeds = ' '.join(f'{100 * v:.1f}' for v in value['seeds'])
        print(f'{title:38}{100 * value["mean"]:7.1f}%   {seeds}')
    gain = report['mosi_top1']['mean'] - report['scratch_top1']['mean']
    print(f'{"gain by MoSI, same budget":38}{100 * gain:+7.1f} points\n')


def draw_report(report: dict, path: Path) -> None:
    """Draw motions, learning curves and bars into one picture."""
    from matplotlib import pyplot as plt

    fig = plt.figure(figsize=(13, 7.5), layout='constrained')
    left, right = fig.subfigures(1, 2, width_ratios=(1.15, 1))
    _draw_motions(left)
    curves, bars = right.subplots(2, 1)
    colors = dict(scratch='tab:gray', mosi='tab:blue')
    seeds = len(report['mosi_top1']['seeds'])
    tested: set[int] = set()
    for name, curve in report['curves'].items():
        if name.startswith('finetune_'):
            kind, seed = name.split('_')[1:]
            steps, values = zip(*((s, e['acc/top1']) for s, e in curve))
            tested.update(steps)
            title = f'from {kind.replace("mosi", "MoSI")}'
            if seeds > 1:
                title += f', {seeds} seeds, a line each'
            label = title if seed == 'seed0' else None
            curves.plot(
                steps,
                np.multiply(values, 100),
                'o-',
                color=colors[kind],
                label=label,
            )
    curves.axhline(
        100 * report['chance'], color='k', ls=':', lw=1, label='chance'
    )
    curves.set(
        title='Recognising rendered actions, tested after '
        f'{" and ".join(map(str, sorted(tested)))} epochs',
        xlabel='epoch of fine-tuning',
        ylabel='test top-1 (%)',
        xlim=(0, max(tested) + 1),
        ylim=(0, 100),
    )
    curves.set_xticks([0, *sorted(tested)])
    curves.legend()
    keys = ('pretext_top1', 'scratch_top1', 'mosi_top1')
    names = (
        'pretext\n(held-out images)',
        'actions\nfrom scratch',
        'actions\nfrom MoSI',
    )
    means = [100 * report[k]['mean'] for k in keys]
    drawn = bars.bar(names, means, color=('tab:green', 'tab:gray', 'tab:blue'))
    for bar, mean in zip(drawn, means):
        # Beside the dots of the seeds, which lie in the middle.
        bars.annotate(
            f'{mean:.1f}',
            (bar.get_x() + 0.04, mean),
            xytext=(0, 2),
            textcoords='offset points',
            va='bottom',
        )
    for i, key in enumerate(keys):
        bars.plot(
            [i] * len(report[key]['seeds']),
            np.multiply(report[key]['seeds'], 100),
            'k.',
        )
    bars.set(title='Top-1 (%), mean and seeds', ylim=(0, 110))
    with whole_file(path) as part:
        fig.savefig(part, dpi=110)
    plt.close(fig)


def _draw_motions(figure) -> None:
    from mmengine.config import Config

    cfg = Config.fromfile(CONFIGS / 'tiny/mosi_r2p1d_deadleaves.py')
    steps = [t for t in cfg.train_pipeline if t['type'] != 'PackMoSIInputs']
    sample = DeadLeavesDataset(
        num_images=1, size=64, seed=2, test_mode=True, pipeline=steps
    )[0]
    plan = sample['motion']
    axes = figure.subplots(len(plan.pool), plan.clip_len)
    figure.suptitle(
        'What the network sees: one still image, nine '
        'motions\n(only the box moves; 8 frames each)'
    )
    for row, name, clip, box in zip(
        axes, plan.pool.names, sample['imgs'], plan.boxes
    ):
        x1, y1, x2, y2 = box - 0.5
        for ax, frame in zip(row, clip):
            ax.imshow(frame)
            ax.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], 'w-', lw=1)
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(name, rotation=0, ha='right', va='center')


def main(argv: list[str] | None = None) -> None:
    """Run the demo."""
    args = parse_args(argv)
    start = time.time()
    root = args.work_dir
    root.mkdir(parents=True, exist_ok=True)
    print(f'1/3 action videos -> {root / "videos"}', flush=True)
    write_action_videos(root / 'videos', TRAIN_VIDEOS, 'train')
    write_action_videos(root / 'videos', TEST_VIDEOS, 'test')
    print(
        f'2/3 MoSI pretraining, then {args.seeds} fine-tunings from '
        'scratch and from MoSI',
        flush=True,
    )
    videos = (root / 'videos').resolve()
    results = execute(declare(videos, args.seeds), root, args.jobs)
    report = summarize(results, args.seeds, time.time() - start)
    print('3/3 report', flush=True)
    print_table(report)
    draw_report(report, root / 'report.png')
    (root / 'report.json').write_text(json.dumps(report, indent=1))
    print(
        f'{root / "report.json"}, {root / "report.png"}; '
        f'{report["seconds"]:.0f} s'
    )


if __name__ == '__main__':
    main()
