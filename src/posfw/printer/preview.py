"""The paper as a picture: the rows of the page, bit for bit. Pure; needs no imaging library."""

from __future__ import annotations

import zlib

from posfw.printer.raster import Page

__all__ = ["png"]

_WHITE = bytes(range(255, -1, -1))  # printed dots are 1, PNG's black is 0


def png(page: Page) -> bytes:
    """Return a one-bit PNG (ISO/IEC 15948) of a page, cuts not drawn."""
    width_bytes, height = page.width_bytes, max(page.height, 1)
    rows = page.rows().translate(_WHITE) or b"\xff" * width_bytes
    filtered = b"".join(
        b"\0" + rows[at : at + width_bytes] for at in range(0, len(rows), width_bytes)
    )
    # bit depth 1, greyscale, deflate, no filter, not interlaced
    header = page.dots.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x01\0\0\0\0"
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    code = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + code
