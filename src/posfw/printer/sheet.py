"""A document becomes strips for one printer: in its own characters, or in dots. Pure."""

from __future__ import annotations

from posfw.printer import native
from posfw.printer.layout import lay_out
from posfw.printer.raster import Band, Page, Raster
from posfw.printer.strip import Strip
from posfw.values.document import Document
from posfw.values.hardware import PrinterProfile

__all__ = ["page", "speaks_text", "strips"]


def strips(
    document: Document, profile: PrinterProfile, canvas: Raster | None
) -> tuple[Strip, ...]:
    """Cut a document into strips, top to bottom. Send `escpos.init` before the first.

    Every strip stands for itself: after a pause or `escpos.recover` any one can be sent again.
    The same document and profile always give the same strips, so a band number recorded before a
    power cut means the same strip after it.

    Args:
        document: what to print.
        profile: paper width, characters or dots, cutter, command set.
        canvas: `Raster(glyphs, profile.dots)`, kept by the caller for its glyph cache. None (no
            glyph file) prints in the printer's own characters whatever the profile says.

    Raises:
        InputError: PRN-312, an amount longer than a line.
    """
    if canvas is None or speaks_text(profile):
        return native.strips(lay_out(document.blocks, profile.dots), profile, canvas)
    return tuple(_joined(page(document, canvas).bands, profile))


def page(document: Document, canvas: Raster) -> Page:
    """Return the dots of a document, for the preview and for heads driven directly."""
    return canvas.page(lay_out(document.blocks, canvas.dots))


def speaks_text(profile: PrinterProfile) -> bool:
    """Whether the printer sets its own characters; Star's commands for it are not spoken."""
    return profile.font == "gb18030" and profile.status != "star"


def _joined(bands: tuple[Band, ...], profile: PrinterProfile) -> list[Strip]:
    """Make a strip of each band; the leading below a line goes with the line."""
    found: list[Strip] = []
    inked = False
    for band in bands:
        made = native.band_strip(band, profile)
        if inked and not band.data and not band.cut:
            above = found.pop()
            made = Strip(above.data + made.data, above.rows + made.rows, above.dots)
        found.append(made)
        inked = bool(band.data)
    return found
