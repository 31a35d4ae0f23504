"""Pictures as arrays: captions, grids, heat maps, and their files.

A picture is (H, W, 3) uint8 RGB throughout; only the writer of MP4 files,
OpenCV's, gets BGR.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from .fonts import font_for

PathLike = str | os.PathLike

#: Height of the letters of a caption and of its strip, in pixels.
LETTER, STRIP = 13, 19


def enlarge(image: np.ndarray, height: int) -> np.ndarray:
    """Resize to a height in pixels, keeping the aspect ratio.

    Args:
        image: (H, W) or (H, W, 3) uint8 picture.
        height: Height of the result in pixels.
    """
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    bigger = height > image.shape[0]
    return cv2.resize(
        image,
        (width, height),
        interpolation=cv2.INTER_CUBIC if bigger else cv2.INTER_AREA,
    )


def wrap(text: str, width: int) -> str:
    """Break lines between words so that each fits a width in pixels.

    A word that is wider than that gets a line of its own.
    """
    lines = []
    for given in text.split('\n'):
        line = ''
        for word in given.split(' '):
            longer = f'{line} {word}' if line else word
            if line and _width(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return '\n'.join(lines)


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """Put a white strip with text above a picture.

    If a line is wider than the picture, the picture is padded with white.

    Args:
        image: (H, W, 3) uint8 RGB picture.
        text: One line of text, or several.

    Returns:
        (H + STRIP per line, max(W, width of the text), 3) uint8 RGB.
    """
    lines = text.split('\n')
    top = STRIP * len(lines)
    wide = max(image.shape[1], *(_width(line) for line in lines))
    out = Image.new('RGB', (wide, image.shape[0] + top), 'white')
    out.paste(Image.fromarray(image), (0, top))
    pen = ImageDraw.Draw(out)
    for n, line in enumerate(lines):
        write(pen, (3, n * STRIP), line)
    return np.asarray(out)


def write(
    pen: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    color: str | tuple[int, int, int] = 'black',
) -> None:
    """Write a line into a strip whose upper left corner is given."""
    # By the base line, which fonts for other scripts share.
    x, y = at
    pen.text((x, y + LETTER + 1), text, color, font_for(text, LETTER), 'ls')


def _width(line: str) -> int:
    """Return the width of a line in pixels, with a margin of 3."""
    return int(np.ceil(font_for(line, LETTER).getlength(line))) + 6


def grid(
    images: Sequence[np.ndarray], columns: int, gap: int = 4
) -> np.ndarray:
    """Arrange pictures in rows, with white between and around them.

    Args:
        images: Pictures, which may differ in size.
        columns: Number of pictures per row.
        gap: Number of pixels between two pictures.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    rows = [images[i : i + columns] for i in range(0, len(images), columns)]
    heights = [max(i.shape[0] for i in row) for row in rows]
    widths = [
        max(i.shape[1] for i in images[c::columns])
        for c in range(min(columns, len(images)))
    ]
    out = np.full(
        (
            sum(heights) + gap * (len(heights) + 1),
            sum(widths) + gap * (len(widths) + 1),
            3,
        ),
        255,
        np.uint8,
    )
    y = gap
    for row, height in zip(rows, heights):
        x = gap
        for image, width in zip(row, widths):
            h, w = image.shape[:2]
            out[y : y + h, x : x + w] = image
            x += width + gap
        y += height + gap
    return out


def heat(values: np.ndarray) -> np.ndarray:
    """Colour values in [0, 1] from black over violet and orange to yellow.

    The map is perceptual: equal steps look equal, also in grey and to the
    colour-blind. The paper's is not.

    Args:
        values: (H, W) float values, clipped to [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    level = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return cv2.cvtColor(
        cv2.applyColorMap(level, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB
    )


def overlay(
    image: np.ndarray, values: np.ndarray, alpha: float = 0.5
) -> np.ndarray:
    """Lay a heat map over a picture.

    Args:
        image: (H, W, 3) uint8 RGB picture.
        values: (H, W) float values in [0, 1].
        alpha: Opacity of the heat map.
    """
    return cv2.addWeighted(heat(values), alpha, image, 1 - alpha, 0)


def pale(image: np.ndarray, colour: float = 0.25) -> np.ndarray:
    """Take most of the colour out of a picture, so that drawn lines stand out.

    Args:
        image: (H, W, 3) uint8 RGB picture.
        colour: Share of the colour to keep.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
    grey = np.broadcast_to(grey, image.shape).copy()
    return cv2.addWeighted(image, colour, grey, 1 - colour, 0)


def scale(width: int, low: str = '0', high: str = '1') -> np.ndarray:
    """Draw the colours of :func:`heat` with what their ends mean.

    Args:
        width: Width of the bar in pixels.
        low: Meaning of 0.
        high: Meaning of 1.

    Returns:
        (STRIP, W, 3) uint8 RGB, W the width with both texts.
    """
    left, right = _width(low) + 2, _width(high) + 2
    out = Image.new('RGB', (left + width + right, STRIP), 'white')
    bar = np.tile(np.linspace(0, 1, width), (STRIP - 8, 1))
    out.paste(Image.fromarray(heat(bar)), (left, 4))
    pen = ImageDraw.Draw(out)
    write(pen, (4, 0), low)
    write(pen, (left + width + 4, 0), high)
    return np.asarray(out)


def convention(width: int | None = None) -> np.ndarray:
    """Draw what a direction in the name of a label means.

    Args:
        width: Width in pixels that it is to fit, in one line or in two; None
            for one line.

    Returns:
        (STRIP or 2 STRIP, W, 3) uint8 RGB: that of *right*, with arrows.
    """
    parts = [
        _with_arrow('right: the window goes right', (0, 24)),
        _with_arrow('the picture in it goes left', (24, 0)),
    ]
    if width is None or sum(p.shape[1] for p in parts) <= width:
        return np.concatenate(parts, 1)
    return grid(parts, 1, gap=0)


def _with_arrow(word: str, ends: tuple[int, int]) -> np.ndarray:
    """Write a word with an arrow from one x to another one behind it."""
    x, y, (tail, tip) = 4 + _width(word) + 2, STRIP // 2, ends
    out = Image.new('RGB', (x + 40, STRIP), 'white')
    pen = ImageDraw.Draw(out)
    write(pen, (4, 0), word)
    pen.line((x + tail, y, x + tip, y), 'black', 2)
    back = 6 if tail > tip else -6
    for side in (-4, 4):
        pen.line((x + tip, y, x + tip + back, y + side), 'black', 2)
    return np.asarray(out)


def outline(
    image: np.ndarray,
    box: Sequence[float] | np.ndarray,
    color: tuple[int, int, int],
    thickness: int = 1,
    edge: tuple[int, int, int] | None = None,
) -> np.ndarray:
    """Return a copy with a box (x1, y1, x2, y2), x2 and y2 exclusive.

    Args:
        image: (H, W, 3) uint8 RGB picture.
        box: Its outermost pixels are under the line.
        color: RGB colour of the line.
        thickness: Thickness of the line in pixels, inwards.
        edge: Colour of a line of one pixel along both of its sides, which
            keeps it legible on a motley picture; None draws none.
    """
    x1, y1, x2, y2 = (int(v) for v in box)
    out = image.copy()

    def frame(near: int, far: int, value: tuple[int, int, int]) -> None:
        for n in range(near, far):
            corners = (x1 + n, y1 + n), (x2 - 1 - n, y2 - 1 - n)
            if all(a <= b for a, b in zip(*corners)):
                cv2.rectangle(out, *corners, value, 1)

    if edge is not None:
        frame(-1, 0, edge)
        frame(thickness, thickness + 1, edge)
    frame(0, thickness, color)
    return out


def tag(
    image: np.ndarray,
    text: str,
    corner: tuple[int, int],
    color: tuple[int, int, int],
    right: bool = False,
    bottom: bool = False,
) -> np.ndarray:
    """Return a copy with a small label, black or white on a colour.

    Args:
        image: (H, W, 3) uint8 RGB picture.
        text: A word.
        corner: (x, y) of the label's corner; the label is moved into the
            picture where it would stick out.
        color: RGB colour of the label.
        right: Whether the corner is one of the right side.
        bottom: Whether the corner is one at the bottom.
    """
    font = font_for(text, LETTER - 2)
    wide = int(np.ceil(font.getlength(text))) + 6
    high = LETTER + 1
    height, width = image.shape[:2]
    x, y = corner[0] - wide * right, corner[1] - high * bottom
    x = min(max(x, 0), max(width - wide, 0))
    y = min(max(y, 0), max(height - high, 0))
    out = Image.fromarray(image)
    pen = ImageDraw.Draw(out)
    pen.rectangle((x, y, x + wide - 1, y + high - 1), color)
    light = np.dot(color, (0.299, 0.587, 0.114)) > 140
    ink = 'black' if light else 'white'
    pen.text((x + 3, y + high - 4), text, ink, font, 'ls')
    return np.asarray(out)


def write_png(path: PathLike, image: np.ndarray) -> Path:
    """Write a picture; parent directories are made."""
    path = _made(path)
    Image.fromarray(image).save(path)
    return path


def write_gif(
    path: PathLike, frames: Sequence[np.ndarray], fps: float = 8
) -> Path:
    """Write a looping animation of equally large pictures."""
    path = _made(path)
    # One palette for all frames: a new one each would make colours flicker.
    # Its free 256th entry lets Pillow leave unchanged pixels out.
    first = Image.fromarray(np.concatenate(frames)).quantize(255)
    images = [
        Image.fromarray(f).quantize(palette=first, dither=Image.Dither.NONE)
        for f in frames
    ]
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        loop=0,
        duration=round(1000 / fps),
        optimize=True,
    )
    return path


def _made(path: PathLike) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
