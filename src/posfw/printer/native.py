"""Text mode: the printer sets its own GB18030 characters and draws codes itself. Pure.

400 bytes instead of 20,000 for a slip: what a port of 9,600 Bd needs. What the head fires can only
be estimated: from our own bitmap of the same layout, or by rule where there is none.
"""

from __future__ import annotations

from posfw.printer.escpos import (
    BAND_ROWS,
    CUT_FEED_ROWS,
    cut,
    is_contained,
    raster,
)
from posfw.printer.glyphs import CELL, HEIGHT
from posfw.printer.layout import LINE_ROWS, Blank, Item, Line, Picture, Tear
from posfw.printer.raster import Band, Raster, picture_bands
from posfw.printer.strip import Strip
from posfw.values.document import Barcode, Qr
from posfw.values.hardware import PrinterProfile

__all__ = ["band_strip", "encoded", "strips"]

_MISSING = "〓"  # GB2312 A2FE..: the printer's own sign for a character it does not have
# Boards page, section 3: a full line of text is a quarter black.
_TEXT_COVERAGE = 0.25


def strips(
    items: tuple[Item, ...], profile: PrinterProfile, canvas: Raster | None
) -> tuple[Strip, ...]:
    """Return a strip per item; every one leaves the printer in its plain state.

    Pictures that the printer cannot draw itself come as bands of dots.
    """
    found: list[Strip] = []
    for item in items:
        if isinstance(item, Picture):
            drawn = _drawn(item, profile)
            found += [drawn] if drawn else [band_strip(b, profile) for b in picture_bands(item)]
        else:
            found.append(_strip(item, profile, canvas))
    return tuple(found)


def band_strip(band: Band, profile: PrinterProfile) -> Strip:
    """Return a band as one picture command.

    White rows are a picture one byte wide: exact, whatever motion unit a printer counts in.
    """
    rows, width = (band.data, band.width_bytes) if band.data else (bytes(band.height), 1)
    data = raster(profile, rows, width, band.height)
    return Strip(data + cut(profile) if band.cut else data, band.height, band.dots)


def encoded(text: str) -> bytes:
    """Return GB18030 bytes as a printer's font has them: one or two bytes a character.

    Four-byte characters are in no printer's font: they become the missing sign, as wide.
    """
    parts = (char.encode("gb18030") for char in text)
    missing = _MISSING.encode("gb18030")
    return b"".join(part if len(part) <= 2 else missing for part in parts)


def _strip(item: Line | Blank | Tear, profile: PrinterProfile, canvas: Raster | None) -> Strip:
    if isinstance(item, Line):
        return _line(item, profile, canvas)
    if isinstance(item, Tear):
        lines = -(-CUT_FEED_ROWS // LINE_ROWS)
        return Strip(b"\n" * lines + cut(profile), lines * LINE_ROWS, 0)
    lines = max(1, item.rows // LINE_ROWS)
    return Strip(b"\n" * lines, lines * LINE_ROWS, 0)


def _line(line: Line, profile: PrinterProfile, canvas: Raster | None) -> Strip:
    parts = [b"\x1bE\x01" if line.bold else b""]
    column = 0
    for span in line.spans:
        # Spaces, not ESC $: motion units differ between printers, columns do not.
        parts.append(b" " * max(span.column - column, 0))
        body = b"\x1c&" + encoded(span.text) + b"\x1c." if not span.text.isascii() else None
        body = span.text.encode("ascii") if body is None else body
        parts.append(b"\x1d!\x11%b\x1d!\x00" % body if span.size == 2 else body)
        column = span.end
    parts.append(b"\x1bE\x00\n" if line.bold else b"\n")
    rows = max(LINE_ROWS, HEIGHT * line.size)
    if canvas is None:
        cells = sum((span.end - span.column) * span.size for span in line.spans)
        dots = int(cells * CELL * HEIGHT * _TEXT_COVERAGE)
    else:
        dots = sum(band.dots for band in canvas.page((line,)).bands)
    return Strip(b"".join(parts), rows, dots)


def _drawn(picture: Picture, profile: PrinterProfile) -> Strip | None:
    """Return the printer's own command for a code, or None: it must come as dots.

    A command may not hold a real-time command in data or length, and must end within the NULs
    that `escpos.recover` sends.
    """
    rows = len(picture.rows)
    block = picture.block
    if isinstance(block, Qr):
        body = _qr(block, picture.scale)
    elif isinstance(block, Barcode):
        # GS h rows, GS w module width, GS H 0: our own digits below, GS k 67: EAN-13
        head = b"\x1dh%c\x1dw%c\x1dH\x00" % (rows, picture.scale)
        body = head + b"\x1dkC\x0d" + block.gtin.encode("ascii")
    else:
        return None
    if not is_contained(body) or len(body) > BAND_ROWS * (profile.dots // 8):
        return None
    dots = sum(int.from_bytes(row, "big").bit_count() for row in picture.rows)
    return Strip(b"\x1ba\x01" + body + b"\x1ba\x00", rows, dots)


def _qr(block: Qr, scale: int) -> bytes:
    """GS ( k: model 2, module size, level M, store, print."""
    data = block.data.encode("utf-8")
    size = (len(data) + 3).to_bytes(2, "little")
    return (
        b"\x1d(k\x04\x001A2\x00"
        + b"\x1d(k\x03\x001C%c" % scale
        + b"\x1d(k\x03\x001E1"
        + b"\x1d(k%b1P0%b" % (size, data)
        + b"\x1d(k\x03\x001Q0"
    )
