"""Lines and pictures become dots: the very rows that the head burns and the preview draws. Pure.

A line is one number of 24 rows as long as the paper is wide; a glyph already spread to that
stride is put in place by one shift and one OR, so no dot is ever touched singly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from posfw.printer.escpos import BAND_ROWS, CUT_FEED_ROWS, contained
from posfw.printer.glyphs import CELL, HEIGHT, Glyphs
from posfw.printer.layout import LEADING_ROWS, Blank, Item, Line, Picture, Tear

__all__ = ["Band", "Page", "Raster", "picture_bands"]

# Spread glyphs kept: 1.3 kB each on 58 mm paper, twice that in double size. With all four styles
# full it is 2 MB; a shop's slips use 200 characters.
_FACE_GLYPHS = 512
_LARGE_GLYPHS = 128


@dataclass(frozen=True, slots=True)
class Band:
    """Up to 24 rows of one width from the left edge; no data means white rows.

    Attributes:
        data: `height` rows of `width_bytes`, free of real-time commands.
        dots: black dots in it.
        cut: the paper is cut after it.
    """

    data: bytes
    width_bytes: int
    height: int
    dots: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A whole slip in bands, top to bottom."""

    dots: int
    bands: tuple[Band, ...]

    @property
    def width_bytes(self) -> int:
        """Bytes of a full row."""
        return (self.dots + 7) // 8

    @property
    def height(self) -> int:
        """Rows of the whole slip."""
        return sum(band.height for band in self.bands)

    def rows(self) -> bytes:
        """Return all rows in full width, most significant bit left, 1 is black."""
        full = self.width_bytes
        parts: list[bytes] = []
        for band in self.bands:
            if not band.data:
                parts.append(bytes(full * band.height))
                continue
            width = band.width_bytes
            rest = bytes(full - width)
            for at in range(0, len(band.data), width):
                parts += (band.data[at : at + width], rest)
        return b"".join(parts)


class _Face(dict[str, int]):
    """Glyphs of one style, spread to the stride of the paper; made on first use, bounded."""

    def __init__(self, glyphs: Glyphs, stride: int, size: int, *, bold: bool) -> None:
        super().__init__()
        self._glyphs, self._stride = glyphs, stride
        self._size, self._bold = size, bold
        self._most = _FACE_GLYPHS if size == 1 else _LARGE_GLYPHS

    def __missing__(self, char: str) -> int:
        if len(self) >= self._most:
            self.clear()
        bits = CELL if " " <= char <= "~" else 2 * CELL
        bitmap, mask = self._glyphs.bitmap(char), (1 << bits) - 1
        spread, below = 0, 0
        for _ in range(HEIGHT):
            row = bitmap & mask
            bitmap >>= bits
            if self._bold:
                row |= row >> 1
            if self._size == 2:
                row = int(f"{row:b}".replace("0", "00").replace("1", "11"), 2)
            for _ in range(self._size):
                spread |= row << below
                below += self._stride
        self[char] = spread
        return spread


class Raster:
    """Renders items for one paper width; keep it, its glyph cache makes the next slip cheap."""

    def __init__(self, glyphs: Glyphs, dots: int) -> None:
        self.dots = dots
        self._glyphs = glyphs
        self._stride = (dots + 7) // 8 * 8
        self._faces: dict[tuple[int, bool], _Face] = {}

    def page(self, items: Iterable[Item]) -> Page:
        """Return the dots of a slip."""
        bands: list[Band] = []
        for item in items:
            if isinstance(item, Line):
                bands += self._line(item)
                bands.append(Band(b"", 0, LEADING_ROWS))
            elif isinstance(item, Picture):
                bands += picture_bands(item)
            elif isinstance(item, Blank):
                bands += _blank(item.rows)
            elif isinstance(item, Tear):
                bands += _blank(CUT_FEED_ROWS, cut=True)
        return Page(self.dots, tuple(bands))

    def _face(self, size: int, *, bold: bool) -> _Face:
        key = (size, bold)
        if key not in self._faces:
            self._faces[key] = _Face(self._glyphs, self._stride, size, bold=bold)
        return self._faces[key]

    def _line(self, line: Line) -> list[Band]:
        stride, total, right = self._stride, 0, 0
        for span in line.spans:
            face = self._face(span.size, bold=line.bold)
            narrow = CELL * span.size
            left = span.column * CELL
            for char in span.text:
                left += narrow if " " <= char <= "~" else 2 * narrow
                total |= face[char] << (stride - left)
            right = max(right, left)
        height = HEIGHT * line.size
        if not total:
            return _blank(height)
        data = total.to_bytes(height * stride // 8, "big")
        return _bands(_cropped(data, stride // 8, (right + 7) // 8), (right + 7) // 8)


def _cropped(data: bytes, full: int, width: int) -> bytes:
    """Leave out the white right of the text: at 115,200 Bd the wire is slower than the head."""
    if width >= full:
        return data
    return b"".join([data[at : at + width] for at in range(0, len(data), full)])


def _bands(data: bytes, width: int) -> list[Band]:
    bands = []
    for at in range(0, len(data), BAND_ROWS * width):
        part = contained(data[at : at + BAND_ROWS * width])
        dots = int.from_bytes(part, "big").bit_count()
        bands.append(Band(part, width, len(part) // width, dots))
    return bands


def picture_bands(picture: Picture) -> list[Band]:
    """Return a picture in bands, its margin included."""
    margin = bytes(picture.left_bytes)
    data = b"".join(margin + row for row in picture.rows)
    return _bands(data, picture.left_bytes + picture.width_bytes)


def _blank(rows: int, *, cut: bool = False) -> list[Band]:
    bands = [Band(b"", 0, min(BAND_ROWS, rows - at)) for at in range(0, rows, BAND_ROWS)]
    if cut:
        bands[-1] = Band(b"", 0, bands[-1].height, cut=True)
    return bands
