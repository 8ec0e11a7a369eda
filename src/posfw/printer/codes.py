"""Codes as pictures: EAN-13 by the book, QR by segno. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

__all__ = ["CodePicture", "check_digit", "ean13", "qr"]

# GS1 General Specifications 5.2.1: quiet zones of 11 modules left and 7 right, 95 modules between.
_EAN_LEFT, _EAN_RIGHT = 11, 7
_EAN_MODULES = _EAN_LEFT + 95 + _EAN_RIGHT
_EAN_ROWS = 96  # 12 mm: shorter than the nominal 22.85 mm, as on every receipt, to spare the head
_DIGITS = "0001101001100100100110111101010001101100010101111011101101101110001011"
_A = [_DIGITS[at : at + 7] for at in range(0, 70, 7)]
_C = [code.translate({48: 49, 49: 48}) for code in _A]
_B = [code[::-1] for code in _C]
# Which of A and B encode the left digits tells the first one (GS1 figure 5.2.1.2-1).
_ORDERS = "AAAAAAAABABBAABBABAABBBAABAABBABBAABABBBAAABABABABABBAABBABA"
_LEFT = [_ORDERS[at : at + 6] for at in range(0, 60, 6)]
_QR_SCALE = 6  # 0.75 mm a module: read by every phone, still 25 mm wide at version 4
_QR_QUIET = 4  # ISO/IEC 18004: four modules of white on all sides


@dataclass(frozen=True, slots=True)
class CodePicture:
    """Rows of packed bits; `scale` is the width of a module in dots, at least two."""

    width_bytes: int
    rows: tuple[bytes, ...]
    scale: int


def check_digit(digits: str) -> int:
    """Return the GTIN check digit of the digits before it (GS1 General Specifications 7.9)."""
    weighted = (int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
    return -sum(weighted) % 10


def ean13(gtin: str, dots: int) -> CodePicture | None:
    """Draw an EAN-13, or return None: not 13 digits, a wrong check digit, or paper too narrow."""
    scale = min(3, dots // _EAN_MODULES)
    sound = len(gtin) == 13 and gtin.isascii() and gtin.isdigit()
    if not sound or scale < 2 or check_digit(gtin[:12]) != int(gtin[12]):
        return None
    left = "".join(
        (_A if side == "A" else _B)[int(digit)]
        for side, digit in zip(_LEFT[int(gtin[0])], gtin[1:7], strict=True)
    )
    right = "".join(_C[int(digit)] for digit in gtin[7:])
    modules = "0" * _EAN_LEFT + "101" + left + "01010" + right + "101" + "0" * _EAN_RIGHT
    row = _packed(modules, scale)
    return CodePicture(len(row), (row,) * _EAN_ROWS, scale)


@lru_cache(maxsize=4)  # both copies of a receipt bear the same code: 2.4 ms for the first only
def qr(data: str, dots: int) -> CodePicture | None:
    """Draw a QR code of UTF-8 text, error correction M, or return None: it does not fit."""
    import segno  # noqa: PLC0415  # 32 ms and 11 MB: paid by the first slip that has a code
    from segno.encoder import DataOverflowError  # noqa: PLC0415  # as above

    if not data:
        return None
    try:
        symbol = segno.make_qr(data, error="m", boost_error=False, encoding="utf-8")
    except (DataOverflowError, UnicodeEncodeError):  # too long, or a lone surrogate
        return None
    modules = int(symbol.symbol_size(border=_QR_QUIET)[0])
    scale = min(_QR_SCALE, dots // modules)
    if scale < 2:
        return None
    lines = ("".join("01"[bit] for bit in row) for row in symbol.matrix_iter(border=_QR_QUIET))
    rows = tuple(row for line in lines for row in (_packed(line, scale),) * scale)
    return CodePicture(len(rows[0]), rows, scale)


def _packed(modules: str, scale: int) -> bytes:
    """Pack modules of "0" and "1" into bytes, each `scale` dots wide, white to the byte's end."""
    bits = "".join(module * scale for module in modules)
    bits = bits.ljust((len(bits) + 7) // 8 * 8, "0")
    return int(bits, 2).to_bytes(len(bits) // 8, "big")
