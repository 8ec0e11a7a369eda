"""A card typed in by hand: number and expiry. Whether it is allowed at all, the sale decides."""

from __future__ import annotations

from posfw.card.tracks import expiry_ok
from posfw.values.card import CardNumber, CardRead, EntryMode
from posfw.values.errors import CardDataError

__all__ = ["keyed"]


def keyed(number: str, expiry: str) -> CardRead:
    """Return the card; spaces and hyphens between digits are taken as typed for the eye.

    Args:
        number: 8 to 19 digits.
        expiry: YYMM.

    Raises:
        CardDataError: the number or the expiry date cannot be used.
    """
    if not expiry_ok(expiry):
        raise CardDataError("The expiry date is four digits: YYMM.", code="CRD-112")
    digits = number.replace(" ", "").replace("-", "")
    return CardRead(number=CardNumber(digits), entry_mode=EntryMode.KEYED, expiry=expiry)
