"""Bitmaps of characters, 24 dots high: ASCII 12 wide, everything else 24. Pure.

The blob (`printer/data/glyphs24.bin`, made by scripts/make-glyphs) is any buffer: mapped from the
file, only the pages of the characters in use become memory. Layout:

    0   8 magic PFGLYPH1      8  u16 height      10 u16 narrow count      12 u32 wide count
    16  narrow glyphs U+0020..: 36 bytes each (24 rows of 12 bits)
    ..  code points of the wide glyphs, ascending, u16 each
    ..  wide glyphs: 72 bytes each (24 rows of 24 bits); all numbers big-endian
"""

from __future__ import annotations

from typing import Final, Protocol

from posfw.values.errors import ConfigError

__all__ = ["CELL", "HEIGHT", "MAGIC", "NARROW", "Glyphs", "columns", "is_narrow"]

HEIGHT: Final = 24
CELL: Final = 12  # dots of one column: a narrow character has one, a wide one two
NARROW: Final = range(0x20, 0x7F)
MAGIC: Final = b"PFGLYPH1"
_HEAD = 16
_NARROW_SIZE = HEIGHT * CELL // 8
_WIDE_SIZE = HEIGHT * 2 * CELL // 8


_NARROW_CHARS = frozenset(map(chr, NARROW))


class Buffer(Protocol):
    """What a blob must be able to do: bytes, mmap."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice, /) -> bytes: ...


def is_narrow(char: str) -> bool:
    """Whether a character takes one column; GB18030's own rule: one byte, one column."""
    return " " <= char <= "~"


def columns(text: str) -> int:
    """Columns a text takes at normal width."""
    if text.isascii():
        return len(text)
    return 2 * len(text) - sum(map(text.count, _NARROW_CHARS & set(text)))


class Glyphs:
    """The glyphs of one blob.

    Raises:
        ConfigError: PRN-310, not a glyph file of this version, or cut short.
    """

    def __init__(self, blob: Buffer, name: str = "glyphs24.bin") -> None:
        head = blob[:_HEAD]
        narrow = int.from_bytes(head[10:12], "big")
        self._count = int.from_bytes(head[12:16], "big")
        self._index = _HEAD + narrow * _NARROW_SIZE
        self._wide = self._index + 2 * self._count
        if (
            head[:8] != MAGIC
            or int.from_bytes(head[8:10], "big") != HEIGHT
            or narrow != len(NARROW)
            or len(blob) != self._wide + self._count * _WIDE_SIZE
        ):
            raise ConfigError(
                f"{name} is not a complete glyph file.",
                code="PRN-310",
                effect="Receipts are printed with the printer's own characters.",
                next_step="Install posfw again, or run scripts/make-glyphs.",
            )
        self._blob = blob

    def __contains__(self, char: str) -> bool:
        return is_narrow(char) or self._find(ord(char)) is not None

    def bitmap(self, char: str) -> int:
        """Return the dots as one number, top left first: 24 rows of 12 (narrow) or 24 bits.

        A character the blob lacks is a box with its code point in hexadecimal digits.
        """
        if is_narrow(char):
            at = _HEAD + (ord(char) - NARROW.start) * _NARROW_SIZE
            return int.from_bytes(self._blob[at : at + _NARROW_SIZE], "big")
        found = self._find(ord(char))
        if found is None:
            return _boxed(ord(char))
        at = self._wide + found * _WIDE_SIZE
        return int.from_bytes(self._blob[at : at + _WIDE_SIZE], "big")

    def _find(self, code: int) -> int | None:
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            at = self._index + 2 * middle
            here = int.from_bytes(self._blob[at : at + 2], "big")
            if here == code:
                return middle
            if here < code:
                low = middle + 1
            else:
                high = middle
        return None


# Hexadecimal digits of 4 by 7 dots, a row a nibble from the top: two rows of three fit a cell.
_DIGITS = (
    "69999962622227691248FE11611E26AAF22F88E11E688E996F112444"
    "69969966997116699F999E99E99E6988896E99999EF88E88FF88E888"
)
_SIDE = 2 * CELL


def _boxed(code: int) -> int:
    """Draw a frame with the code point inside: six hexadecimal digits at most."""
    rows = [0] * HEIGHT
    frame = ((1 << (_SIDE - 2)) - 1) << 1
    rows[1] = rows[HEIGHT - 2] = frame
    for row in range(2, HEIGHT - 2):
        rows[row] = 1 << (_SIDE - 2) | 1 << 1
    text = f"{code:04X}"
    half = (len(text) + 1) // 2
    for top, part in ((4, text[:half]), (13, text[half:])):
        left = (_SIDE - 6 * len(part) + 2) // 2
        for place, digit in enumerate(part):
            for row, nibble in enumerate(_DIGITS[7 * int(digit, 16) :][:7]):
                rows[top + row] |= int(nibble, 16) << (_SIDE - left - 6 * place - 4)
    return int.from_bytes(b"".join(row.to_bytes(3, "big") for row in rows), "big")
