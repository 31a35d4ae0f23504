"""Fonts that have the letters of a text.

Names of classes and files come in any script. Matplotlib brings DejaVu Sans,
with Latin, Greek and Cyrillic among others; for other scripts the fonts that
are installed are searched. Where none has them, letters become boxes.
"""

from collections.abc import Iterable
from functools import lru_cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageFont

#: The font of all pictures.
FAMILY = 'DejaVu Sans'


def families(texts: Iterable[str]) -> list[str]:
    """Return families of fonts which together have the letters of texts.

    Args:
        texts: Texts to draw.

    Returns:
        Value for Matplotlib's ``font.family``: :data:`FAMILY`, and another
        one only where it lacks letters.
    """
    missing = _code_points(''.join(texts)) - _letters(_file(FAMILY))
    other = _installed(missing)
    return [FAMILY] if other is None else [FAMILY, other[0]]


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font of a size in pixels with which Pillow draws a text.

    Pillow draws a text with one font: that of :data:`FAMILY` unless it lacks
    letters and another one has more of them.
    """
    wanted, path = _code_points(text), _file(FAMILY)
    if not wanted <= _letters(path):
        other = _installed(wanted)
        if other is not None:
            rest = wanted - _letters(path)
            if len(wanted - _letters(other[1])) < len(rest):
                path = other[1]
    return _font(path, size)


def _code_points(text: str) -> frozenset[int]:
    return frozenset(ord(letter) for letter in text if letter.isprintable())


@lru_cache(maxsize=64)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=64)
def _file(family: str) -> str:
    return font_manager.findfont(family)


@lru_cache(maxsize=512)
def _letters(path: str) -> frozenset[int]:
    return frozenset(FT2Font(path).get_charmap())


@lru_cache(maxsize=64)
def _installed(wanted: frozenset[int]) -> tuple[str, str] | None:
    """Return family and file of the font with the most of these letters.

    None if none has any, or none is wanted.
    """
    best, most = None, 0
    for entry in font_manager.fontManager.ttflist if wanted else ():
        if 'last resort' in entry.name.lower():
            continue  # has a box for every letter
        try:
            found = len(wanted & _letters(entry.fname))
        except (OSError, RuntimeError):  # removed since, or not a font
            continue
        if found > most:
            best, most = (entry.name, entry.fname), found
    return best
