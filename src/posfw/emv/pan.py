"""Card numbers and dates as a chip stores them (EMV Book 3, annex A1: formats cn and n)."""

from __future__ import annotations

from datetime import date

from posfw.values.errors import CardDataError

__all__ = ["day_of", "digits_of", "last_day"]


def digits_of(value: bytes) -> str:
    """Return a number of format cn: digits, then only F.

    Raises:
        CardDataError: anything else; 19 digits with one F are as good as 16.
    """
    digits = value.hex().upper().rstrip("F")
    if not digits or not (digits.isascii() and digits.isdecimal()):
        raise CardDataError("The card's number holds something else than digits.")
    return digits


def day_of(value: bytes) -> date:
    """Return a date of format YYMMDD; 50–99 are 1950–1999 (Book 4, 6.7.3).

    Raises:
        CardDataError: no such day.
    """
    text = value.hex()
    if not text.isdecimal() or len(text) != 6:
        raise CardDataError("A date on the card is not made of digits.")
    year = int(text[:2])
    try:
        return date(year + (1900 if year >= 50 else 2000), int(text[2:4]), int(text[4:]))
    except ValueError as error:
        raise CardDataError("A date on the card does not exist.") from error


def last_day(value: bytes) -> date | None:
    """Return the last day of MMYY as certificates give it (Book 2, table 6), None if no month."""
    text = value.hex()
    if not text.isdecimal() or not 1 <= int(text[:2]) <= 12:
        return None
    month, year = int(text[:2]), int(text[2:])
    year += 1900 if year >= 50 else 2000
    first = date(year + month // 12, month % 12 + 1, 1)
    return date.fromordinal(first.toordinal() - 1)
