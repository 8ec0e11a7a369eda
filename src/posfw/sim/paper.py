"""What a simulated printer understands, and the paper that comes out. No time, no wire.

A decoder of its own, written from the manuals and not from our encoder: an error in one does not
cancel out in the other. Bytes are taken one command at a time and rasters row by row, so that
paper can end after any row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Ask", "Cut", "Decoder", "Op", "Row", "Slip"]

TEXT_ROWS = 30  # ESC 2: a sixth of an inch at 180 dpi, as these printers feed a line
GLYPH_ROWS = 24
# Boards page, section 3: a full text line is a quarter black.
TEXT_COVERAGE = 0.25


class Ask(StrEnum):
    """A command that wants an answer in its turn."""

    PAPER = "GS r"
    STATUS = "ESC v"
    STAR = "ESC ACK SOH"


@dataclass(frozen=True, slots=True)
class Row:
    """One dot row fired and fed; `bits` is as wide as the paper, `dots` of it black."""

    bits: bytes
    dots: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """The knife."""


Op = Row | Ask | Cut

# Command -> bytes that follow it; None where a length is inside. Everything not in here is text
# or ignored, as on the real ones.
_FIXED = {
    b"\x1b@": 0, b"\x1ba": 1, b"\x1bE": 1, b"\x1b!": 1, b"\x1b2": 0, b"\x1b3": 1, b"\x1bt": 1,
    b"\x1bG": 1, b"\x1b-": 1, b"\x1bp": 3, b"\x1d!": 1, b"\x1da": 1, b"\x1db": 1, b"\x1dh": 1,
    b"\x1dw": 1, b"\x1dH": 1, b"\x1df": 1, b"\x1c&": 0, b"\x1c.": 0, b"\x1b\x1ea": 1,
    b"\x10\x04": 1, b"\x1cS": 2, b"\x1c!": 1, b"\x1dL": 2, b"\x1bR": 1,
}  # fmt: skip
_LONGEST = 8


@dataclass(slots=True)
class Decoder:
    """Takes bytes, gives what happens on the paper; keeps what is not complete yet.

    Attributes:
        width: bytes a row of the paper holds.
        buffer: what is not taken yet.
        raster_width, raster_rows: what is left of a picture.
        line: text that waits for its line feed.
    """

    width: int
    buffer: bytearray = field(default_factory=bytearray)
    raster_width: int = 0
    raster_rows: int = 0
    line: bytearray = field(default_factory=bytearray)

    @property
    def held(self) -> int:
        """Bytes that wait."""
        return len(self.buffer)

    def feed(self, data: bytes) -> None:
        """Put bytes behind those that wait."""
        self.buffer += data

    def forget(self) -> None:
        """Lose everything, as a printer does that is switched off."""
        self.buffer.clear()
        self.raster_width = self.raster_rows = 0
        self.line.clear()

    def next(self) -> Iterator[Op]:
        """Return what the next piece does, nothing when it is incomplete; takes it."""
        while self.buffer:
            if self.raster_rows:
                if len(self.buffer) < self.raster_width:
                    return
                yield self._row()
                return
            before = len(self.buffer)
            found = self._command()
            if found is not None:
                yield from found
                return
            if len(self.buffer) == before:
                return

    def _row(self) -> Row:
        bits = bytes(self.buffer[: self.raster_width])
        del self.buffer[: self.raster_width]
        self.raster_rows -= 1
        shown = bits[: self.width].ljust(self.width, b"\0")
        return Row(shown, int.from_bytes(shown).bit_count())

    def _command(self) -> list[Op] | None:
        """Take one command or character; None when it did nothing or is not complete."""
        buffer = self.buffer
        if buffer[0] not in (0x10, 0x1B, 0x1C, 0x1D):
            return self._character()
        for start, taker in _TAKERS.items():
            if buffer.startswith(start):
                return taker(self)
        head = next((bytes(buffer[:n]) for n in (3, 2) if bytes(buffer[:n]) in _FIXED), None)
        if head is not None:
            self._set_up(head)
        elif len(buffer) >= 3 and not any(h.startswith(bytes(buffer[:2])) for h in _HEADS):
            del buffer[0]  # unknown: the control character is ignored, the rest is text
        return None

    def _set_up(self, head: bytes) -> None:
        """Take a command that prints nothing, once it is complete."""
        size = len(head) + _FIXED[head]
        if len(self.buffer) >= size:
            del self.buffer[:size]
            if head == b"\x1b@":
                self.line.clear()

    def _character(self) -> list[Op] | None:
        byte = self.buffer[0]
        del self.buffer[0]
        if byte == 0x0A:
            return self.text_line()
        if byte >= 0x20:
            self.line.append(byte)
        return None

    def text_line(self) -> list[Op]:
        """Print the line that waits."""
        raw = bytes(self.line)
        self.line.clear()
        text = raw.decode("gb18030", "replace")
        black = round(self.width * 8 * TEXT_COVERAGE * min(len(raw) / (self.width * 8 / 12), 1))
        rows: list[Op] = [
            Row(bytes(self.width), black if raw and n < GLYPH_ROWS else 0)
            for n in range(TEXT_ROWS)
        ]
        rows[-1] = Row(bytes(self.width), 0, text)
        return rows


def _take_raster(decoder: Decoder, head: int, tail: int) -> list[Op] | None:
    size = bytes(decoder.buffer[head : head + 4])
    if len(decoder.buffer) < head + 4 + tail:
        return None
    del decoder.buffer[: head + 4 + tail]
    decoder.raster_width = int.from_bytes(size[:2], "little")
    decoder.raster_rows = int.from_bytes(size[2:], "little") if decoder.raster_width else 0
    return None


def _take_gs_v0(decoder: Decoder) -> list[Op] | None:
    return _take_raster(decoder, 4, 0)


def _take_star_raster(decoder: Decoder) -> list[Op] | None:
    return _take_raster(decoder, 4, 1)


def _take_cut(decoder: Decoder) -> list[Op] | None:
    size = 4 if len(decoder.buffer) > 2 and decoder.buffer[2] in (65, 66) else 3
    return _take(decoder, size, [Cut()])


def _take_star_cut(decoder: Decoder) -> list[Op] | None:
    return _take(decoder, 3, [Cut()])


def _take_feed_lines(decoder: Decoder) -> list[Op] | None:
    if len(decoder.buffer) < 3:
        return None
    white = [Row(bytes(decoder.width), 0)] * (decoder.buffer[2] * TEXT_ROWS)
    return _take(decoder, 3, [*white])


def _take_feed_rows(decoder: Decoder) -> list[Op] | None:
    if len(decoder.buffer) < 3:
        return None
    return _take(decoder, 3, [Row(bytes(decoder.width), 0)] * decoder.buffer[2])


def _take_counted(decoder: Decoder) -> list[Op] | None:
    """GS ( x pL pH and so many bytes; a stored QR is shown as text."""
    if len(decoder.buffer) < 5:
        return None
    size = int.from_bytes(decoder.buffer[3:5], "little")
    body = bytes(decoder.buffer[5 : 5 + size])
    if len(body) < size:
        return None
    del decoder.buffer[: 5 + size]
    if body[:2] == b"1P":
        decoder.line += b"[QR " + body[3:] + b"]"
        return decoder.text_line()
    return None


def _take_barcode(decoder: Decoder) -> list[Op] | None:
    """GS k m n and n bytes (m of 65 and up), or m and bytes to a NUL."""
    if len(decoder.buffer) < 4:
        return None
    start = 4 if decoder.buffer[2] >= 65 else 3
    end = start + decoder.buffer[3] if start == 4 else decoder.buffer.find(b"\0", 3)
    if end < 0 or len(decoder.buffer) < end:
        return None
    decoder.line += b"[" + bytes(decoder.buffer[start:end]) + b"]"
    del decoder.buffer[: end + (start == 3)]
    return decoder.text_line()


def _take_ask_paper(decoder: Decoder) -> list[Op] | None:
    return _take(decoder, 3, [Ask.PAPER])


def _take_ask_status(decoder: Decoder) -> list[Op] | None:
    return _take(decoder, 2, [Ask.STATUS])


def _take_ask_star(decoder: Decoder) -> list[Op] | None:
    return _take(decoder, 3, [Ask.STAR])


def _take(decoder: Decoder, size: int, ops: list[Op]) -> list[Op] | None:
    if len(decoder.buffer) < size:
        return None
    del decoder.buffer[:size]
    return ops


_TAKERS = {
    b"\x1dv0": _take_gs_v0,
    b"\x1b\x1dS": _take_star_raster,
    b"\x1dV": _take_cut,
    b"\x1bd": _take_feed_lines,
    b"\x1bJ": _take_feed_rows,
    b"\x1d(": _take_counted,
    b"\x1dk": _take_barcode,
    b"\x1dr": _take_ask_paper,
    b"\x1bv": _take_ask_status,
    b"\x1b\x06\x01": _take_ask_star,
}
_HEADS = (*_FIXED, *_TAKERS)
REALTIME = re.compile(rb"\x10\x04([\x01-\x04])")


@dataclass(slots=True)
class Slip:
    """Paper torn or cut off, or still hanging out."""

    rows: list[Row] = field(default_factory=list)
    cut: bool = False

    @property
    def text(self) -> str:
        """Lines of text mode."""
        return "\n".join(row.text for row in self.rows if row.text)

    @property
    def blank(self) -> bool:
        """Whether nothing was fired."""
        return not any(row.dots for row in self.rows)
