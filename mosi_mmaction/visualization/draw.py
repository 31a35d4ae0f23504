"""Pictures as arrays: captions, grids, heat maps, and their files.

A picture is (H, W, 3) uint8 RGB throughout; only the writer of MP4 files,
OpenCV's, gets BGR.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

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


def caption(image: np.ndarray, text: str) -> np.ndarray:
    """Put a white strip with a line of text above a picture.

    If the text is wider than the picture, the picture is padded with white.

    Args:
        image: (H, W, 3) uint8 RGB picture.
        text: Line of text.

    Returns:
        (H + STRIP, max(W, width of the text), 3) uint8 RGB.
    """
    font = ImageFont.load_default(LETTER)
    wide = max(image.shape[1], int(np.ceil(font.getlength(text))) + 6)
    out = Image.new('RGB', (wide, image.shape[0] + STRIP), 'white')
    out.paste(Image.fromarray(image), (0, STRIP))
    ImageDraw.Draw(out).text((3, 2), text, 'black', font)
    return np.asarray(out)


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


def scale(width: int, low: str = '0', high: str = '1') -> np.ndarray:
    """Draw the colours of :func:`heat` with what their ends mean.

    Args:
        width: Width of the bar in pixels.
        low: Meaning of 0.
        high: Meaning of 1.

    Returns:
        (STRIP, W, 3) uint8 RGB, W the width with both texts.
    """
    font = ImageFont.load_default(LETTER)
    left, right = (int(np.ceil(font.getlength(t))) + 8 for t in (low, high))
    out = Image.new('RGB', (left + width + right, STRIP), 'white')
    bar = np.tile(np.linspace(0, 1, width), (STRIP - 8, 1))
    out.paste(Image.fromarray(heat(bar)), (left, 4))
    pen = ImageDraw.Draw(out)
    pen.text((4, 2), low, 'black', font)
    pen.text((left + width + 4, 2), high, 'black', font)
    return np.asarray(out)


def convention() -> np.ndarray:
    """Draw what a direction in the name of a label means.

    Returns:
        (STRIP, W, 3) uint8 RGB: that of *right*, with arrows.
    """
    font = ImageFont.load_default(LETTER)
    words = ('right: the window goes right', 'the picture in it goes left')
    wide = [int(np.ceil(font.getlength(word))) for word in words]
    out = Image.new('RGB', (sum(wide) + 100, STRIP), 'white')
    pen, x, y = ImageDraw.Draw(out), 4, STRIP // 2
    for word, width, (tail, tip) in zip(words, wide, ((0, 24), (24, 0))):
        pen.text((x, 2), word, 'black', font)
        x += width + 8
        pen.line((x + tail, y, x + tip, y), 'black', 2)
        back = 6 if tail > tip else -6
        for side in (-4, 4):
            pen.line((x + tip, y, x + tip + back, y + side), 'black', 2)
        x += 40
    return np.asarray(out)


def outline(
    image: np.ndarray,
    box: Sequence[int],
    color: tuple[int, int, int],
    thickness: int = 1,
) -> np.ndarray:
    """Return a copy with a box (x1, y1, x2, y2), x2 and y2 exclusive."""
    x1, y1, x2, y2 = (int(v) for v in box)
    return cv2.rectangle(
        image.copy(), (x1, y1), (x2 - 1, y2 - 1), color, thickness
    )


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
