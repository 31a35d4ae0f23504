#!/usr/bin/env python
"""Show how a network groups videos: features, t-SNE and k-means.

    python tools/embed.py CONFIG CHECKPOINT DATA [--clusters 5]

DATA is a directory of videos with one subdirectory per class, or a list file
(with --data-root). The figure corresponds to the paper's Fig. 5, which uses
unmasked MoSI. The tool writes to --out-dir: clusters.png (the embedding, and
for each cluster the frames of its most central clips and a histogram of motion
directions) and report.json with the printed figures. A cluster is called
static, horizontal or vertical if at least half of its clips are, according to
their optical flow, and mixed otherwise.
"""

import argparse
import json
from collections import Counter
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
        'data',
        nargs='+',
        metavar='DATA',
        help='directory of videos, list file or videos',
    )
    add_clip_arguments(parser)
    parser.add_argument('--out-dir', default='work_dirs/embed')
    parser.add_argument('--clusters', type=int, default=5)
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(argv)


if __name__ == '__main__':
    start(parse_args)

# First, because it says what to install if matplotlib is missing.
import mosi_mmaction.visualization  # noqa: F401  isort: skip

import numpy as np
from matplotlib import pyplot as plt
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler

from mosi_mmaction.apis.networks import (
    build_network,
    clip_settings,
    features,
    read_config,
)
from mosi_mmaction.apis.videos import Video, find_videos, read_clips
from mosi_mmaction.visualization import draw
from mosi_mmaction.visualization.fonts import families
from mosi_mmaction.visualization.measure import (
    DIRECTIONS,
    direction_histogram,
    dominant_motion,
    optical_flow,
)
from mosi_mmaction.visualization.plots import shortened

#: Height of the frames of a strip, in pixels, and their number.
STRIP_HEIGHT, STRIP_FRAMES = 96, 6


def describe(
    videos: list[Video], model, height: int, clip_len: int, interval: int
) -> dict:
    """Compute features and motion of the middle clip of each video.

    Returns:
        ``features`` (V, D), ``histograms`` (V, 8), ``motions`` (V,) words,
        ``strips``, V pictures.
    """
    found: dict[str, list] = dict(
        features=[], histograms=[], motions=[], strips=[]
    )
    for video in videos:
        clip = read_clips(video.path, clip_len, interval)[0]
        clip = np.stack([draw.enlarge(f, height) for f in clip])
        flow = optical_flow(clip)
        found['features'].append(features(model, clip))
        found['histograms'].append(direction_histogram(flow))
        found['motions'].append(dominant_motion(flow))
        shown = np.linspace(0, len(clip) - 1, STRIP_FRAMES).astype(int)
        found['strips'].append(
            draw.grid(
                [draw.enlarge(clip[n], STRIP_HEIGHT) for n in shown],
                STRIP_FRAMES,
                gap=2,
            )
        )
    for key in ('features', 'histograms'):
        found[key] = np.stack(found[key])
    return found


def group(
    values: np.ndarray, clusters: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cluster and embed features; each is scaled to unit variance first.

    Args:
        values: Features, (V, D).
        clusters: Number of clusters.
        seed: Seed of k-means and t-SNE.

    Returns:
        Cluster of every row (V,), its distance to that cluster's centre
        (V,), its position in the plane (V, 2).

    Raises:
        ValueError: If there are not more rows than clusters.
    """
    if len(values) <= clusters:
        raise ValueError(
            f'{len(values)} videos for --clusters {clusters}: '
            'use more videos, or fewer clusters'
        )
    scaled = StandardScaler().fit_transform(values)
    means = KMeans(clusters, n_init=10, random_state=seed).fit(scaled)
    plane = TSNE(
        perplexity=min(30, (len(values) - 1) / 3),
        init='pca',
        random_state=seed,
    ).fit_transform(scaled)
    return means.labels_, means.transform(scaled).min(1), plane


def summarise(found: dict, labels: list[str], assigned: np.ndarray) -> dict:
    """Compute the figures of the clusters.

    Returns:
        ``nmi_action`` (None without labels) and ``nmi_motion`` in [0, 1],
        and ``clusters``, a list of dicts.
    """
    motions = np.array(found['motions'])
    rows = []
    for k in np.unique(assigned):
        inside = assigned == k
        words = Counter(motions[inside].tolist())
        word, most = words.most_common(1)[0]
        rows.append(
            dict(
                size=int(inside.sum()),
                motion=word if most * 2 >= inside.sum() else 'mixed',
                motions=dict(words),
                actions=dict(
                    Counter(label for label, i in zip(labels, inside) if i)
                ),
                directions=dict(
                    zip(
                        DIRECTIONS,
                        found['histograms'][inside].mean(0).round(3).tolist(),
                    )
                ),
            )
        )
    known = len(set(labels)) > 1
    return dict(
        nmi_action=float(normalized_mutual_info_score(labels, assigned))
        if known
        else None,
        nmi_motion=float(normalized_mutual_info_score(motions, assigned)),
        motions=dict(Counter(motions.tolist())),
        clusters=rows,
    )


def draw_clusters(
    found: dict,
    assigned: np.ndarray,
    distance: np.ndarray,
    plane: np.ndarray,
    report: dict,
    labels: list[str],
    strips: int = 2,
):
    """Draw the embedding, and strips and a histogram of each cluster.

    The embedding twice where actions are known: by cluster and by action.
    """
    count = len(report['clusters'])
    colors = plt.get_cmap('tab10').colors
    actions = sorted(set(labels))
    known = len(actions) > 1
    # In inches: the left column, and the names below its lower panel.
    wide = 3.6
    names = [shortened(action, 40) for action in actions]
    columns = max(1, int(wide / (0.09 * max(map(len, names)) + 0.45)))
    legend = 0.2 * -(-len(actions) // columns) + 0.2 if known else 0
    height = max(1.55 * count + 0.6, (5.6 if known else 3) + legend)
    # No wider than what a page can show at reading size.
    figure = plt.figure(figsize=(10.5, height), layout='constrained')
    whole = figure.add_gridspec(count, 3, width_ratios=(wide, 5, 1.4))
    left = whole[:, 0]
    if known:
        # The names have a row, so that they are not beyond the figure's edge.
        each = (height - legend) / 2
        parts = left.subgridspec(3, 1, height_ratios=(each, each, legend))
        axes = figure.add_subplot(parts[1])
        palette = plt.get_cmap('tab20').colors
        shown = [
            axes.scatter(
                *plane[np.array(labels) == action].T,
                color=palette[k % 20],
                marker='osD^v'[k // 20 % 5],
                s=22,
            )
            for k, action in enumerate(actions)
        ]
        axes.set(title='the same, colour: action', xticks=[], yticks=[])
        below = figure.add_subplot(parts[2])
        below.set_axis_off()
        below.legend(
            shown,
            names,
            loc='upper center',
            ncols=columns,
            borderaxespad=0,
            prop=dict(family=families(names), size=8),
        )
        left = parts[0]
    axes = figure.add_subplot(left)
    for k in range(count):
        axes.scatter(
            *plane[assigned == k].T,
            color=colors[k % 10],
            s=22,
            label=f'cluster {k + 1}',
        )
    axes.set(
        title='t-SNE of the features, colour: k-means', xticks=[], yticks=[]
    )
    axes.legend(loc='best', fontsize=9)
    for k, row in enumerate(report['clusters']):
        members = np.flatnonzero(assigned == k)
        central = members[np.argsort(distance[members])][:strips]
        axes = figure.add_subplot(whole[k, 1])
        axes.imshow(draw.grid([found['strips'][i] for i in central], 1, gap=0))
        axes.set_axis_off()
        words = ', '.join(
            f'{n} {w}'
            for w, n in sorted(
                row['motions'].items(), key=lambda item: -item[1]
            )
        )
        mostly = 'mostly ' if len(row['motions']) > 1 else ''
        if row['motion'] == 'mixed':
            mostly = ''
        axes.set_title(
            f'cluster {k + 1}, {mostly}{row["motion"]}: {words}',
            color=colors[k % 10],
            fontsize=10,
        )
        axes = figure.add_subplot(whole[k, 2], projection='polar')
        # In pictures y points down; in plots angles are counterclockwise.
        axes.set_theta_direction(-1)
        axes.bar(
            np.arange(8) * np.pi / 4,
            row['directions'].values(),
            width=np.pi / 4,
            color=colors[k % 10],
            edgecolor='white',
        )
        axes.set_xticks(
            np.arange(4) * np.pi / 2,
            ['right', 'down', 'left', 'up'],
            fontsize=8,
        )
        axes.set_yticks([])
    return figure


def main(argv: list[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(argv)
    cfg = read_config(args.config, read_options(args.cfg_options))
    clip_len, interval, side = clip_settings(cfg)
    videos = find_videos(args.data, args.data_root)
    if len(videos) <= args.clusters:
        raise ValueError(
            f'{len(videos)} videos for --clusters '
            f'{args.clusters}: use more videos, or fewer '
            'clusters'
        )
    model = build_network(cfg, args.checkpoint, device=args.device)
    found = describe(
        videos,
        model,
        args.height or max(96, side),
        clip_len,
        args.interval or interval,
    )
    assigned, distance, plane = group(
        found['features'], args.clusters, args.seed
    )
    report = dict(
        config=args.config,
        checkpoint=args.checkpoint,
        videos=len(videos),
        **summarise(found, [v.label for v in videos], assigned),
    )
    out_dir = Path(args.out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    labels = [video.label for video in videos]
    draw_clusters(found, assigned, distance, plane, report, labels).savefig(
        out_dir / 'clusters.png', dpi=90
    )
    (out_dir / 'report.json').write_text(json.dumps(report, indent=1) + '\n')
    if report['nmi_action'] is not None:
        print(f'NMI with the action labels: {report["nmi_action"]:.3f}')
    print(f'NMI with the dominant motion: {report["nmi_motion"]:.3f}')
    for k, row in enumerate(report['clusters'], 1):
        print(
            f'cluster {k}: {row["size"]} clips, {row["motion"]}: '
            f'{row["motions"]}'
        )
    for word in ('vertical', 'horizontal', 'static'):
        there = any(row['motion'] == word for row in report['clusters'])
        print(f'a {word} cluster: {"yes" if there else "no"}')
    print(f'wrote {out_dir}')


if __name__ == '__main__':
    main()
