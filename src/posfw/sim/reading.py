"""Reads printed dots back as text, so that slips can be added up like the books.

It knows the typeface and nothing of the layout: wherever ink begins on the paper it looks for a
line of 24 rows (48 in double height), cut into cells of 12 dots, in single and double width, plain
and bold. What fits no glyph is shown as U+FFFD, which no sum survives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import posfw.printer
from posfw.printer.glyphs import CELL, HEIGHT, NARROW, Glyphs

__all__ = ["UNREADABLE", "SlipReader"]

UNREADABLE = "\ufffd"
# Everything a slip may be written in beside ASCII: signs, kana, hanzi, full-width forms.
WIDE = range(0xA1, 0xFFFF)
# No glyph's ink begins lower than this below the top of its cell.
LOWEST_TOP = 20
GIVEN_UP = 2


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

    @classmethod
    def of_package(cls) -> SlipReader:
        """Return a reader of the typeface that the product prints with."""
        file = Path(posfw.printer.__file__).parent / "data" / "glyphs24.bin"
        return cls(Glyphs(file.read_bytes()))

    def lines(self, rows: Sequence[bytes]) -> list[str]:
        """Return the lines of text on paper, top to bottom; codes and logos are left out.

        Args:
            rows: dot rows of one width, most significant bit left, 1 is black.
        """
        width = 8 * len(rows[0]) if rows else 0
        return list(self._found([int.from_bytes(row, "big") for row in rows], width))

    def _found(self, rows: list[int], width: int) -> Iterator[str]:
        at = 0
        while at < len(rows):
            if not rows[at]:
                at += 1
                continue
            text, used = self._line_near(rows, at, width)
            if text:
                yield text
            at = used

    def _line_near(self, rows: list[int], inked: int, width: int) -> tuple[str, int]:
        """Return the line whose ink begins at a row, and the row after it.

        A line that is read wholly wins over one with unreadable cells; none is "" and the end of
        the ink.
        """
        best, best_end = "", 0
        for tall in (1, 2):
            for top in range(inked, max(inked - LOWEST_TOP * tall, -1), -1):
                cells = rows[top : top + HEIGHT * tall]
                text = self._line(cells, width) if len(cells) == HEIGHT * tall else ""
                end = top + HEIGHT * tall
                if text and UNREADABLE not in text:
                    return text, end
                if _readable(text) > _readable(best):
                    best, best_end = text, end
        if _readable(best):
            return best, best_end
        return "", next((n for n in range(inked, len(rows)) if not rows[n]), len(rows))

    def _line(self, rows: list[int], width: int) -> str:
        """Return the text of 24 rows; given up at the first cells that fit nothing."""
        text, left = "", 0
        while left < width:
            char, used = self._cell(rows, width, left)
            text += char
            left += used
            if text.count(UNREADABLE) > GIVEN_UP:
                return ""
        return text.rstrip()

    def _cell(self, rows: list[int], width: int, left: int) -> tuple[str, int]:
        """Return the character that begins at a dot, and how many dots it takes.

        In a line of double height single characters stand at its foot.
        """
        sizes = (2, 1) if len(rows) > HEIGHT else (1,)
        for size in sizes:
            for bits, table in ((2 * CELL, self._wide), (CELL, self._narrow)):
                cells = _window(rows, width, left, bits * size)
                single = _halved(cells, bits) if size == 2 else _foot(cells)
                char = table.get(single)
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
    """Return double rows and columns at single size, or nothing if they are not pairs."""
    even = int("01" * bits, 2)
    if cells[::2] != cells[1::2] or any((row >> 1 ^ row) & even for row in cells):
        return ()
    return tuple(int(f"{row & even:0{2 * bits}b}"[1::2], 2) for row in cells[::2])


def _foot(cells: tuple[int, ...]) -> tuple[int, ...]:
    """Return the lowest 24 rows, or nothing if there is ink above them."""
    above = len(cells) - HEIGHT
    return () if any(cells[:above]) else cells[above:]


def _readable(text: str) -> int:
    return sum(char not in (" ", UNREADABLE) for char in text)
