"""Track data of magnetic stripes: ISO/IEC 7813 tracks 1 and 2, ISO/IEC 4909 track 3.

Input is text without sentinels and LRC. A failed Luhn digit is no error (see values.card).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from posfw.values.card import CardNumber
from posfw.values.errors import CardDataError

__all__ = ["Track", "expired", "expiry_ok", "parse_track1", "parse_track2", "parse_track3"]

# A separator in the place of expiry or service code says that the field is absent.
_TRACK1: Final = re.compile(
    r"B([0-9]{8,19})\^([^^?]{2,26})\^([0-9]{4}|\^)([0-9]{3}|\^)([ -\]_]*)", re.ASCII
)
_TRACK2: Final = re.compile(r"([0-9]{8,19})[=D]([0-9]{4}|[=D])([0-9]{3}|[=D])([0-9]*)", re.ASCII)
_TRACK3: Final = re.compile(r"([0-9]{2})([0-9]{8,19})=([0-9=]*)", re.ASCII)
_TRACK1_CHARS: Final = 77  # 79 with both sentinels
_TRACK2_CHARS: Final = 37  # 40 with sentinels and LRC
_TRACK3_CHARS: Final = 104  # 107 with sentinels and LRC


@dataclass(frozen=True, slots=True)
class Track:
    """What one track says.

    Attributes:
        number: the card number.
        expiry: YYMM, "" when absent (always on track 3).
        service_code: three digits, "" when absent (always on track 3).
        holder: the name on track 1, else "".
    """

    number: CardNumber
    expiry: str = ""
    service_code: str = ""
    holder: str = field(default="", repr=False)


def parse_track1(text: str) -> Track:
    """Read track 1, format B.

    Raises:
        CardDataError: not ISO/IEC 7813 track 1.
    """
    found = _match(_TRACK1, text, _TRACK1_CHARS, 1)
    number, name, expiry, service = found.group(1, 2, 3, 4)
    return _track(number, expiry.strip("^"), service.strip("^"), name.strip())


def parse_track2(text: str) -> Track:
    """Read track 2; the separator is = on a stripe and D in EMV tag 57.

    Raises:
        CardDataError: not ISO/IEC 7813 track 2.
    """
    number, expiry, service = _match(_TRACK2, text, _TRACK2_CHARS, 2).group(1, 2, 3)
    return _track(number, expiry.strip("=D"), service.strip("=D"), "")


def parse_track3(text: str) -> Track:
    """Read the number from track 3 (format code, number, the rest is the issuer's).

    Raises:
        CardDataError: not ISO/IEC 4909 track 3.
    """
    return Track(CardNumber(_match(_TRACK3, text, _TRACK3_CHARS, 3).group(2)))


def expiry_ok(expiry: str) -> bool:
    """Say whether YYMM is four digits with a month of 01 to 12."""
    digits = len(expiry) == 4 and expiry.isascii() and expiry.isdigit()
    return digits and 1 <= int(expiry[2:]) <= 12


def expired(expiry: str, today: date) -> bool:
    """Say whether the last day of YYMM is over.

    Two-digit years are the ones nearest to today: 50 back to 49 ahead.

    Raises:
        CardDataError: not YYMM.
    """
    if not expiry_ok(expiry):
        raise CardDataError("The expiry date is not YYMM.")
    earliest = today.year - 50
    year = earliest + (int(expiry[:2]) - earliest) % 100
    return (year, int(expiry[2:])) < (today.year, today.month)


def _match(pattern: re.Pattern[str], text: str, limit: int, which: int) -> re.Match[str]:
    found = pattern.fullmatch(text) if len(text) <= limit else None
    if found is None:
        raise CardDataError(f"Track {which} of {len(text)} characters is not in its format.")
    return found


def _track(number: str, expiry: str, service_code: str, holder: str) -> Track:
    if expiry and not expiry_ok(expiry):
        raise CardDataError("The expiry date on the track has no such month.")
    return Track(CardNumber(number), expiry, service_code, holder)
