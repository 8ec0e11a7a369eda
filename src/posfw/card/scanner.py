"""What a serial barcode scanner sends: [AIM identifier] data CR. GTIN check digits.

AIM identifiers are those of ISO/IEC 15424; ]E4 and ]Q1 are not checked against a real scanner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from posfw.values.errors import CodecError

__all__ = ["MAX_LINE_BYTES", "Kind", "Scan", "gtin_ok", "parse_scan"]

MAX_LINE_BYTES: Final = 512
_GTIN_DIGITS: Final = (8, 12, 13, 14)


class Kind(Enum):
    """What kind of code it was."""

    GTIN = "gtin"
    GS1_128 = "gs1_128"
    QR = "qr"
    OTHER = "other"


_BY_AIM: Final = {
    "]E0": Kind.GTIN,
    "]E4": Kind.GTIN,
    "]C1": Kind.GS1_128,
    "]Q0": Kind.QR,
    "]Q1": Kind.QR,
}


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan; a QR code may be a payment code, so the text stays out of repr."""

    kind: Kind
    text: str = field(repr=False)


def gtin_ok(digits: str) -> bool:
    """Say whether this is a GTIN-8, -12, -13 or -14 with a fitting check digit."""
    if len(digits) not in _GTIN_DIGITS or not (digits.isascii() and digits.isdigit()):
        return False
    weighted = sum(int(d) * (3 if place % 2 else 1) for place, d in enumerate(reversed(digits)))
    return weighted % 10 == 0


def parse_scan(line: bytes) -> Scan:
    """Read one line without its CR; without AIM identifier a valid GTIN is taken as one.

    Raises:
        CodecError: empty, too long, not UTF-8, or a GTIN with a wrong check digit.
    """
    if not 0 < len(line) <= MAX_LINE_BYTES:
        raise CodecError(f"A scan of {len(line)} bytes cannot be used.")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise CodecError("The scan is not UTF-8 text.") from None
    if not text.startswith("]"):
        return Scan(Kind.GTIN if gtin_ok(text) else Kind.OTHER, text)
    kind, text = _BY_AIM.get(text[:3], Kind.OTHER), text[3:]
    if not text or (kind is Kind.GTIN and not gtin_ok(text)):
        raise CodecError("The scan's check digit does not fit.")
    return Scan(kind, text)
