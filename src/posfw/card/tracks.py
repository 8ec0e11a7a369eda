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

__all__ = [
    "ServiceCode",
    "Track",
    "expired",
    "expiry_ok",
    "parse_track1",
    "parse_track2",
    "parse_track3",
]

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


@dataclass(frozen=True, slots=True)
class ServiceCode:
    """What digits 2 and 3 of a service code ask for (ISO/IEC 7813, table of service codes).

    Attributes:
        online: every transaction is authorised by the issuer (digit 2 is 2 or 4).
        pin: a PIN is required (digit 3 is 0, 3 or 5).
        pin_if_pad: a PIN is asked for where it can be entered (digit 3 is 6 or 7).
        goods: the card pays for goods and services; 3 is for cash dispensers, 4 for cash only.
    """

    online: bool
    pin: bool
    pin_if_pad: bool
    goods: bool

    @classmethod
    def of(cls, digits: str) -> ServiceCode:
        """Read three digits; anything else asks for the most: online and a PIN if there is a pad.

        An absent code is read the same way: a stripe may say less than it should, never more.
        """
        if not (len(digits) == 3 and digits.isascii() and digits.isdigit()):
            return cls(online=True, pin=False, pin_if_pad=True, goods=True)
        return cls(
            online=digits[1] != "0",  # 2 and 4 say so; the rest is reserved and no reason for less
            pin=digits[2] in "035",
            pin_if_pad=digits[2] in "6789",
            goods=digits[2] not in "34",
        )


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
