"""Clips with their motion, drawn: sheets, the window's path, the mask."""

from dataclasses import replace

import cv2
import numpy as np

from ..method.motion import PseudoMotion, render
from . import draw

#: Colours of the first and the last window, told apart by everyone, and of
#: the frame that a mask freezes.
START, END, FROZEN = (86, 180, 233), (230, 159, 0), (220, 0, 0)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


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
    windows from which the end still lies inside the source. The source is
    pale, so that the lines are seen.
    """
    height, width = plan.source_size
    scale = side / height
    canvas = draw.pale(draw.enlarge(image, side))
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
        boxes = [
            np.rint(np.concatenate([at, at + plan.crop_size]) * scale).astype(
                int
            )
            for at in (last, first)
        ]
        for box, color in zip(boxes, (END, START)):
            picture = draw.outline(picture, box, color, 2, edge=BLACK)
        centres = (
            np.rint((offsets + plan.crop_size / 2) * scale)
            .astype(int)
            .tolist()
        )
        if way.any():
            for color, thickness in ((BLACK, 4), (WHITE, 2)):
                cv2.arrowedLine(
                    picture,
                    centres[0],
                    centres[-1],
                    color,
                    thickness,
                    cv2.LINE_AA,
                    0,
                    0.15,
                )
        for radius, color in ((3, BLACK), (2, WHITE)):
            for centre in centres:
                cv2.circle(picture, centre, radius, color, -1)
        # Away from each other, in corners that the path leaves free.
        right, bottom = way > 0 if way.any() else (True, True)
        end, start = boxes
        x, y = end[0::2][int(right)], end[1::2][int(bottom)]
        picture = draw.tag(picture, 'end', (x, y), END, right, bottom)
        x, y = start[0::2][int(not right)], start[1::2][int(not bottom)]
        picture = draw.tag(
            picture, 'start', (x, y), START, not right, not bottom
        )
        tiles.append(
            draw.caption(picture, f'{title}\nD = ({way[0]}, {way[1]}) px')
        )
    columns = int(np.ceil(np.sqrt(len(tiles))))
    sheet = draw.grid(tiles, columns, gap=8)
    text = (
        'Blue: the window in the first frame. Orange: in the last. Dots: its '
        'centre in every frame. Bright, dashed: where the first can lie. The '
        'source is shown pale.'
    )
    return draw.caption(sheet, draw.wrap(text, sheet.shape[1]))


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
    blocks = []
    for c, title in enumerate(titles):
        q = None if plan.background is None else int(plan.background[c])
        shown = frames_with(q, plan.clip_len)
        moving = plan.frame_boxes[c]  # it may leave the frame
        boxes = moving.clip(0, plan.crop_size)
        boxes = np.rint(boxes * side / plan.crop_size).astype(int)
        pairs = []
        for source, with_mask in ((unmasked[c], False), (clips[c], True)):
            for n in shown:
                tile = draw.enlarge(source[n], side)
                if with_mask:
                    tile = draw.outline(tile, boxes[n], WHITE, 1, edge=BLACK)
                else:
                    if n == q:
                        whole = (0, 0, side, side)
                        tile = draw.outline(tile, whole, FROZEN, 3)
                    tile = draw.caption(tile, f'q = {n}' if n == q else f'{n}')
                pairs.append(tile)
        ratio = (moving[0, 2] - moving[0, 0]) / plan.crop_size
        blocks.append(
            draw.caption(
                draw.grid(pairs, len(shown), gap=2),
                f'{title}: box {ratio:.2f} of the side'
                + (', the background moves' if q is None else ''),
            )
        )
    # Beside each other, as the sheet would be higher than any screen.
    sheet = draw.grid(blocks, 2 if len(blocks) > 4 else 1, gap=8)
    text = (
        'Upper rows: without the mask, numbers are frames. Lower rows: with '
        'it, only the box (white) moves'
    )
    if plan.background is not None:
        text += '; the rest is frame q (red) throughout'
    return draw.caption(sheet, draw.wrap(f'{text}.', sheet.shape[1]))


def frames_with(frame: int | None, count: int, most: int = 6) -> list[int]:
    """Return evenly spaced frames, the one nearest to a frame moved to it.

    First and last stay, so that equally many are shown for any frame.
    """
    shown = chosen_frames(count, most)
    if frame is None or frame in shown or len(shown) < 3:
        return shown
    inner = range(1, len(shown) - 1)
    shown[min(inner, key=lambda n: abs(shown[n] - frame))] = frame
    return shown
