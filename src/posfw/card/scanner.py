"""What a serial barcode scanner sends: [STX] [AIM identifier] data [ETX] CR. GTIN check digits.

AIM identifiers are those of ISO/IEC 15424; ]E0 and ]C1 were seen from a scanner, the others are
the standard's. Bytes may arrive cut anywhere; CR, LF or both end a scan.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from posfw.card.codes import BAD_SCAN, HALF_LINE, NOISE
from posfw.values.errors import CodecError

__all__ = ["MAX_LINE_BYTES", "Kind", "Scan", "ScanParser", "encode_scan", "gtin_ok", "parse_scan"]

MAX_LINE_BYTES: Final = 512
_ENDS: Final = re.compile(rb"[\r\n]+")
_STX_ETX: Final = b"\x02\x03"
_GTIN_FIELD: Final = re.compile(r"01([0-9]{14})", re.ASCII)  # application identifier 01 leads
_GTIN_DIGITS: Final = (8, 12, 13, 14)
# ]E0 is "full EAN format": 13 digits also for UPC codes, ]E4 is EAN-8 (ISO/IEC 15424). Without the
# exact length one lost digit in ten would still give a valid, other number.
_DIGITS_OF_AIM: Final = {"]E0": 13, "]E4": 8}


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
    "]e0": Kind.GS1_128,  # GS1 DataBar carries the same fields
    "]d2": Kind.GS1_128,  # GS1 DataMatrix
    "]Q3": Kind.GS1_128,  # GS1 QR
    "]Q0": Kind.QR,
    "]Q1": Kind.QR,
}


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan; a QR code may be a payment code, so the text stays out of repr."""

    kind: Kind
    text: str = field(repr=False)

    @property
    def gtin(self) -> str:
        """The goods number in it, "" where there is none."""
        if self.kind is Kind.GTIN:
            return self.text
        found = _GTIN_FIELD.match(self.text) if self.kind is Kind.GS1_128 else None
        return found[1] if found is not None and gtin_ok(found[1]) else ""


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
    aim, text = text[:3], text[3:]
    kind = _BY_AIM.get(aim, Kind.OTHER)
    digits = _DIGITS_OF_AIM.get(aim)
    if not text or (digits is not None and not (len(text) == digits and gtin_ok(text))):
        raise CodecError("The scan's length or check digit does not fit.")
    return Scan(kind, text)


def encode_scan(text: str, *, aim: str = "", end: bytes = b"\r") -> bytes:
    """Return what a scanner sends for this text."""
    return (aim + text).encode() + end


class ScanParser:
    """Bytes in any pieces in; scans and stable codes out. Holds at most one line."""

    __slots__ = ("_line", "_skipping")

    def __init__(self) -> None:
        self._line = bytearray()
        self._skipping = False

    def __repr__(self) -> str:
        return f"<ScanParser {len(self._line)} bytes pending>"

    @property
    def pending(self) -> bool:
        """Whether a line has begun: the caller waits for its rest only for a short time."""
        return bool(self._line) or self._skipping

    def feed(self, data: bytes) -> list[Scan | str]:
        """Return what ended within `data`; a run of one and the same code counts once."""
        found: list[Scan | str] = []
        start = 0
        for end in _ENDS.finditer(data):
            self._add(found, self._grow(data[start : end.start()]))
            self._add(found, self._finish())
            start = end.end()
        self._add(found, self._grow(data[start:]))
        return found

    def expire(self) -> list[Scan | str]:
        """Drop a line that did not end in time: half a code is never taken for a whole one."""
        half = bool(self._line)
        self._clear()
        return [HALF_LINE] if half else []

    def _grow(self, piece: bytes) -> str | None:
        if self._skipping:
            return None
        if len(self._line) + len(piece) <= MAX_LINE_BYTES:
            self._line += piece
            return None
        self._clear()
        self._skipping = True
        return NOISE

    def _finish(self) -> Scan | str | None:
        line, skipped = bytes(self._line).strip(_STX_ETX), self._skipping
        self._clear()
        if skipped or not line:
            return None
        try:
            return parse_scan(line)
        except CodecError:
            return BAD_SCAN

    def _clear(self) -> None:
        self._line.clear()
        self._skipping = False

    @staticmethod
    def _add(found: list[Scan | str], item: Scan | str | None) -> None:
        if item is not None and (isinstance(item, Scan) or found[-1:] != [item]):
            found.append(item)
