"""The glyph file, mapped: 1.6 MB on disk, a few dozen pages of it in memory."""

from __future__ import annotations

import mmap
from pathlib import Path

from posfw.printer.glyphs import Glyphs
from posfw.values.errors import ConfigError

__all__ = ["GLYPH_FILE", "open_glyphs"]

GLYPH_FILE = Path(__file__).parent / "data" / "glyphs24.bin"


def open_glyphs(path: Path = GLYPH_FILE) -> Glyphs:
    """Map the glyph file; only what is looked up is read. The mapping lives as long as the value.

    Raises:
        ConfigError: PRN-310, missing, unreadable or not a glyph file. Printing goes on in the
            printer's own characters: `sheet.strips(..., None)`.
    """
    try:
        with path.open("rb") as file:
            blob: mmap.mmap | bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise ConfigError(
            f"The glyph file {path.name} cannot be read: {error}.",
            code="PRN-310",
            effect="Receipts are printed with the printer's own characters.",
            next_step="Install posfw again, or run scripts/make-glyphs.",
        ) from error
    return Glyphs(blob, path.name)
