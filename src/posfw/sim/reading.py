"""Reads printed dots back as text, so that slips can be added up like the books.

It knows the typeface and nothing of the layout: a picture is cut into cells of 12 dots from the
left, every cell is compared with the glyphs in single and double width, plain and bold. What fits
no glyph is shown as U+FFFD, which no sum survives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from posfw.printer.glyphs import CELL, HEIGHT, NARROW, Glyphs
from posfw.values.errors import MisuseError

__all__ = ["UNREADABLE", "Picture", "SlipReader"]

UNREADABLE = "\ufffd"
# The wide characters worth knowing: what slips are written in, not every ideograph there is.
WIDE = range(0x2010, 0xFFFF)


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of packed bits as they came in one command, most significant bit left, 1 is black."""

    width_bytes: int
    data: bytes

    @property
    def height(self) -> int:
        """How many rows."""
        return len(self.data) // self.width_bytes if self.width_bytes else 0

    def rows(self) -> list[int]:
        """Return each row as a number."""
        width = self.width_bytes
        starts = range(0, len(self.data), width)
        return [int.from_bytes(self.data[at : at + width], "big") for at in starts]


class SlipReader:
    """Reads lines of text set in one typeface."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._narrow: dict[tuple[int, ...], str] = {}
        self._wide: dict[tuple[int, ...], str] = {}
        for code in (*NARROW, *WIDE):
            char = chr(code)
            if char in glyphs and glyphs.bitmap(char):
                wide = code not in NARROW
                table, bits = (self._wide, 2 * CELL) if wide else (self._narrow, CELL)
                cells = _unpacked(glyphs.bitmap(char), bits)
                table.setdefault(cells, char)
                table.setdefault(tuple(row | row >> 1 for row in cells), char)  # bold

    def lines(self, pictures: Iterable[Picture]) -> list[str]:
        """Return the lines of text among the pictures of a slip; codes and logos are left out."""
        lines = (self._line(rows, width) for rows, width in _text_lines(pictures))
        return [line for line in lines if line.strip(f" {UNREADABLE}")]

    def _line(self, rows: list[int], width: int) -> str:
        text, left = "", 0
        while left < width:
            char, used = self._cell(rows, width, left)
            text += char
            left += used
        return text.rstrip()

    def _cell(self, rows: list[int], width: int, left: int) -> tuple[str, int]:
        """Return the character that begins at a dot, and how many dots it takes."""
        for bits, size, table in (
            (2 * CELL, 2, self._wide),
            (CELL, 2, self._narrow),
            (2 * CELL, 1, self._wide),
            (CELL, 1, self._narrow),
        ):
            cells = _window(rows, width, left, bits * size)
            if size == 2:
                cells = _halved(cells, bits)
            char = table.get(cells)
            if char is not None:
                return char, bits * size
        blank = not any(_window(rows, width, left, CELL))
        return (" " if blank else UNREADABLE), CELL


def _unpacked(bitmap: int, bits: int) -> tuple[int, ...]:
    mask = (1 << bits) - 1
    return tuple(bitmap >> bits * (HEIGHT - 1 - row) & mask for row in range(HEIGHT))


def _window(rows: list[int], width: int, left: int, bits: int) -> tuple[int, ...]:
    """Return `bits` columns from `left`; white beyond the right edge."""
    mask, shift = (1 << bits) - 1, width - left - bits
    if shift >= 0:
        return tuple(row >> shift & mask for row in rows)
    return tuple(row << -shift & mask for row in rows)


def _halved(cells: tuple[int, ...], bits: int) -> tuple[int, ...]:
    """Return double-width rows at single width, or nothing if columns are not pairs."""
    even = int("01" * bits, 2)
    if any((row >> 1 ^ row) & even for row in cells):
        return ()
    return tuple(int(f"{row & even:0{2 * bits}b}"[1::2], 2) for row in cells)


def _text_lines(pictures: Iterable[Picture]) -> Iterator[tuple[list[int], int]]:
    """Yield lines of 24 rows; a line of double height came as two pictures."""
    upper: Picture | None = None
    for picture in pictures:
        if picture.height != HEIGHT:
            upper = None
            continue
        if upper is not None and upper.width_bytes == picture.width_bytes:
            rows = [*upper.rows(), *picture.rows()]
            yield rows[::2], 8 * picture.width_bytes
            upper = None
        elif _is_half(picture):
            upper = picture
        else:
            yield picture.rows(), 8 * picture.width_bytes


def _is_half(picture: Picture) -> bool:
    rows = picture.rows()
    if len(rows) % 2:
        raise MisuseError("A text line has an odd number of rows.")
    return any(rows) and all(a == b for a, b in zip(rows[::2], rows[1::2], strict=True))
