"""Where networks look: Grad-CAM compared with motion, drawn and measured.

In videos the CAM is compared with optical flow (paper Fig. 4), and in clips
rendered with static masks with the moving box.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmengine.config import Config
from torch.utils.data import Dataset

from ..apis.videos import Video, read_clips
from ..config.pretraining import set_motion
from ..config.walk import find_step
from ..media.mp4 import write_mp4
from . import draw
from .cam import CAM
from .measure import (
    centre_prior,
    flow_auc,
    magnitude,
    off_centre_window,
    optical_flow,
    share_inside,
)

#: Height of the pictures in the videos and of rendered clips, in pixels; and
#: on the sheet, of which a page is to hold six beside each other.
SHOWN, ON_SHEET = 192, 128

TRAINED, RANDOM, CENTRE = 'network', 'random initialisation', 'centre prior'


def resized(clip: np.ndarray, height: int) -> np.ndarray:
    """Resize all frames of a clip to a height in pixels."""
    return np.stack([draw.enlarge(frame, height) for frame in clip])


def average(values: list[float]) -> dict:
    """Return mean and standard deviation of the defined values."""
    known = np.array(values, float)
    known = known[np.isfinite(known)]
    if not len(known):
        return dict(mean=None, sd=None, n=0)
    return dict(mean=float(known.mean()), sd=float(known.std()), n=len(known))


class Look(NamedTuple):
    """The results of one clip.

    Attributes:
        aucs: AUC of every network, by name.
        cam: Map of the trained network, (N, H, W).
        predicted: Its prediction.
        moved: Magnitude of the flow, (N - 1, H, W).
    """

    aucs: dict[str, list[float]]
    cam: np.ndarray
    predicted: str
    moved: np.ndarray


def look_at(clip: np.ndarray, cams: dict[str, list[CAM]]) -> Look:
    """Compute maps and figures of one clip.

    Args:
        clip: (N, H, W, 3) uint8 RGB clip.
        cams: Networks by name; one of them is :data:`TRAINED`.
    """
    moved = magnitude(optical_flow(clip))
    motion = moved.mean(0)
    maps = {k: [cam(clip) for cam in networks] for k, networks in cams.items()}
    aucs = {
        name: [flow_auc(cam.mean(0), motion) for cam, _ in found]
        for name, found in maps.items()
    }
    aucs[CENTRE] = [flow_auc(centre_prior(*motion.shape), motion)]
    return Look(aucs, *maps[TRAINED][0], moved)


def panels(
    clip: np.ndarray,
    cam: np.ndarray,
    moved: np.ndarray,
    height: int = SHOWN,
) -> list[list[np.ndarray]]:
    """Draw frame, overlay and flow of every frame of a clip.

    The flow is the one to the next frame, scaled to the clip's 99.5th
    percentile.
    """
    clip = resized(clip, height)
    size = clip.shape[2], clip.shape[1]
    scale = max(float(np.quantile(moved, 0.995)), 1e-6)

    def fit(values):
        return cv2.resize(values.astype(np.float32), size)

    return [
        [
            frame,
            draw.overlay(frame, fit(cam[n])),
            draw.heat(fit(moved[min(n, len(moved) - 1)] / scale)),
        ]
        for n, frame in enumerate(clip)
    ]


def _titled(pictures: Sequence[np.ndarray], titles: Sequence[str]):
    """Arrange pictures in a row, each with its title."""
    captions = [draw.caption(p, t) for p, t in zip(pictures, titles)]
    return draw.grid(captions, 3)


def _row(clip: np.ndarray, look: Look, explained: str, title: str):
    """Draw the middle frame of a clip next to mean CAM and mean flow."""
    middle = len(clip) // 2
    still = np.broadcast_to(look.cam.mean(0), look.cam.shape)
    mean = panels(clip, still, look.moved.mean(0)[None], ON_SHEET)[middle]
    titles = (
        'frame',
        f'CAM: {explained}' if look.cam.any() else f'no CAM: {explained}',
        f'flow: AUC {look.aucs[TRAINED][0]:.2f}',
    )
    return draw.caption(_titled(mean, titles), title)


def _with_scale(rows: list[np.ndarray]) -> np.ndarray:
    """Lay the rows out above the scale of their maps."""
    sheet = draw.grid(rows, 2, gap=8)
    scale = draw.scale(160, 'least', 'most, in each picture by itself')
    text = (
        'CAM: the evidence for what is named above it, mean over the clip '
        '("no CAM": nothing speaks for it). Flow: how fast pixels move, mean '
        'over the clip. AUC: how well the CAM finds the fifth of the pixels '
        'that moves most, from 0 over 0.5, chance, to 1.'
    )
    nothing = np.full((1, 1, 3), 255, np.uint8)
    text = draw.wrap(text, max(sheet.shape[1] - 12, 360))
    return draw.grid([sheet, scale, draw.caption(nothing, text)], 1)


def file_names(videos: Sequence[Video]) -> list[str]:
    """Return a name for the pictures of each video, each name once.

    Videos of the same name get their directory's before it, or a number.
    """
    names = [video.name for video in videos]
    names = [
        f'{Path(video.path).parent.name}_{name}'
        if names.count(name) > 1
        else name
        for video, name in zip(videos, names)
    ]
    return [
        f'{name}_{names[:i].count(name) + 1}'
        if names.count(name) > 1
        else name
        for i, name in enumerate(names)
    ]


def look_at_videos(
    videos: list[Video],
    cams: dict[str, list[CAM]],
    out_dir: Path,
    *,
    clip_len: int,
    interval: int,
    height: int,
    num_clips: int = 1,
    explain: str = 'top',
    recrop: int = 0,
    recrop_side: float = 0.6,
    pictures: int = 6,
    seed: int = 0,
) -> dict:
    """Measure all videos, and draw some of them.

    This writes ``sheet.png`` and, for the videos that are drawn,
    ``NAME.mp4``.

    Args:
        videos: Videos to measure.
        cams: Networks by name; one of them is :data:`TRAINED`.
        out_dir: Directory for the pictures.
        clip_len: Number of frames of a clip.
        interval: Distance between frames of a clip.
        height: Height of the clips in pixels.
        num_clips: Number of clips per video, spaced evenly.
        explain: What to explain, ``'top'`` or ``'motion'``, as in ``cams``.
        recrop: Number of windows to crop from each clip that show the motion
            away from the centre.
        recrop_side: Sides of these windows, as a share of the frame's.
        pictures: Number of videos to draw, spread over the list.
        seed: Seed of the windows.

    Returns:
        ``auc``: mean, spread and number by framing and network; ``videos``:
        prediction and AUC of each clip; ``drawn``: the files of the videos
        that are drawn, without their extension.
    """
    rng = np.random.default_rng(seed)
    figures: dict[str, dict[str, list]] = {'as filmed': {}}
    if recrop:
        figures['re-framed'] = {}
    per_video, rows = [], []
    # Spread over the list: the first videos are often of one class.
    chosen = sorted({i * len(videos) // pictures for i in range(pictures)})
    pictured = dict(zip(chosen, file_names([videos[i] for i in chosen])))

    def framed(clip: np.ndarray):
        """Yield a name for each framing of a clip, and the clip."""
        yield 'as filmed', clip
        if recrop:
            motion = magnitude(optical_flow(clip)).mean(0)
        for _ in range(recrop):
            x1, y1, x2, y2 = off_centre_window(motion, recrop_side, 0.25, rng)
            yield 're-framed', clip[:, y1:y2, x1:x2]

    for i, video in enumerate(videos):
        frames: list[np.ndarray] = []
        drawn: set[str] = set()
        for clip in read_clips(video.path, clip_len, interval, num_clips):
            drawn.clear()
            for framing, cut in framed(clip):
                cut = resized(cut, height)
                look = look_at(cut, cams)
                for name, values in look.aucs.items():
                    figures[framing].setdefault(name, []).extend(values)
                per_video.append(
                    dict(
                        video=video.path,
                        framing=framing,
                        predicted=look.predicted,
                        auc=look.aucs[TRAINED][0],
                    )
                )
                if i not in pictured or framing in drawn:
                    continue
                drawn.add(framing)
                explained = look.predicted if explain == 'top' else 'motion'
                title = pictured[i]
                if video.label:
                    title += f' (label: {video.label})'
                if framing == 'as filmed':
                    titles = ('frame', f'CAM: {explained}', 'flow')
                    frames += [
                        _titled(p, titles)
                        for p in panels(cut, look.cam, look.moved)
                    ]
                else:
                    title += f', {framing}'
                rows.append(_row(cut, look, explained, title))
        if frames:
            write_mp4(out_dir / f'{pictured[i]}.mp4', frames)
    if rows:
        draw.write_png(out_dir / 'sheet.png', _with_scale(rows))
    return dict(
        auc={
            framing: {name: average(values) for name, values in aucs.items()}
            for framing, aucs in figures.items()
        },
        videos=per_video,
        drawn=list(pictured.values()),
    )


def enlarge_clips(
    cfg: Config, height: int, mask_ratio: Sequence[float] | None = None
) -> dict:
    """Return a validation dataset with clips of another size, same motion.

    The room around the crop keeps its size in pixels, so all speeds stay the
    same; the mask's side is a ratio and grows with the crop.

    Args:
        cfg: Pretraining config.
        height: New side of the crop in pixels.
        mask_ratio: New sides of the moving box, as shares of the crop's.

    Returns:
        The config of the dataset, without packing.

    Raises:
        ValueError: If this is not a pretraining config with a static mask.
    """
    loader = copy.deepcopy(Config(dict(val=cfg.get('val_dataloader') or {})))
    pipeline = (loader.val.get('dataset') or {}).get('pipeline', ())
    if find_step(pipeline, 'DrawStaticMask') is None:
        raise ValueError(
            f'--rendered: the validation pipeline of {cfg.filename} has no '
            'DrawStaticMask, so there is no box to look at; use a '
            'pretraining config with static masks'
        )
    sides: dict[str, Any] = {}
    if mask_ratio:
        sides['static_mask'] = tuple(mask_ratio)
    set_motion(loader, crop_size=height, **sides)
    dataset = loader.val.dataset
    rendering = ('RenderPseudoMotion', 'PackMoSIInputs')
    dataset.pipeline = [
        s for s in dataset.pipeline if s['type'] not in rendering
    ]
    dataset.pipeline.append(dict(type='RenderPseudoMotion'))
    return dataset


def look_at_rendered(
    dataset: Dataset, cams: dict[str, list[CAM]], out_dir: Path, number: int
) -> dict:
    """Measure rendered masked clips, and draw some of them.

    This writes ``rendered.png``, with a clip of one label per sample.

    Args:
        dataset: Dataset built from :func:`enlarge_clips`.
        cams: Networks by name; one of them is :data:`TRAINED`.
        out_dir: Directory for the picture.
        number: Number of samples of the dataset.

    Returns:
        Mean, spread and number of ``area``, the box's share of the frame; of
        ``named_right``; and of ``share``, that of the CAM in the box, by
        network.
    """
    shares: dict[str, list[float]] = {name: [] for name in cams}
    areas: list[float] = []
    right: list[float] = []
    tiles: list[np.ndarray] = []
    for i in range(min(number, len(dataset))):
        sample = dataset[i]
        plan = sample['motion']
        for c, clip in enumerate(sample['imgs']):
            if not plan.pool.table[c].any():
                continue  # static: the box is as still as the rest
            boxes = plan.frame_boxes[c]
            areas.append(share_inside(np.ones(clip.shape[:3]), boxes))
            for name, networks in cams.items():
                for cam in networks:
                    values, predicted = cam(clip)
                    shares[name].append(share_inside(values, boxes))
                    if name == TRAINED:
                        right.append(predicted == plan.pool.names[c])
                        kept, seen = values, predicted
            if c == i % len(plan.pool) and len(tiles) < 12:
                picture = draw.overlay(
                    draw.pale(draw.enlarge(clip[len(clip) // 2], SHOWN)),
                    cv2.resize(kept.mean(0), (SHOWN, SHOWN)),
                )
                picture = draw.outline(
                    picture,
                    boxes[len(clip) // 2] * SHOWN / clip.shape[1],
                    (255, 255, 255),
                    2,
                    edge=(0, 0, 0),
                )
                tiles.append(
                    draw.caption(
                        picture,
                        f'{plan.pool.names[c]}, named {seen}:\n'
                        f'{shares[TRAINED][-1]:.0%} of CAM in '
                        f'{areas[-1]:.0%} of area',
                    )
                )
    if tiles:
        # As few holes as possible.
        columns = min((4, 3, 5), key=lambda n: -len(tiles) % n)
        sheet = draw.grid(tiles, columns)
        text = (
            'White: the box that moves, the rest is still. Colour: CAM, mean '
            'over the clip, on the pale frame. Above: label, and what the '
            'network names it; the share of the CAM inside the box, beside '
            'the share of the area.'
        )
        text = draw.wrap(text, max(sheet.shape[1], 360))
        draw.write_png(out_dir / 'rendered.png', draw.caption(sheet, text))
    return dict(
        area=average(areas),
        named_right=average(right),
        share={k: average(v) for k, v in shares.items()},
    )
