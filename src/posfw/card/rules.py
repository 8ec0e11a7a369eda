"""Whether a swiped card may be used as it came: expiry, chip first, fall-back.

Fall-back to the stripe only after a chip that gave no answer, never after one that refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from typing import Final

from posfw.card.codes import CHIP_FIRST, EXPIRED, NO_FALLBACK
from posfw.card.tracks import expired, expiry_ok
from posfw.values.card import CardRead, EntryMode

__all__ = ["Chip", "EntryRefusal", "admit"]


class Chip(Enum):
    """What became of the chip before this swipe."""

    NOT_TRIED = "not_tried"
    NO_ANSWER = "no_answer"  # no ATR, or no response: the only way to a fall-back
    REFUSED = "refused"  # blocked, declined or removed: the chip has spoken


@dataclass(frozen=True, slots=True)
class EntryRefusal:
    """A card that is not taken this way: stable code, and what the screen says."""

    code: str
    zh: str
    en: str


_EXPIRED: Final = EntryRefusal(EXPIRED, "卡片已过期", "The card has expired.")
_CHIP_FIRST: Final = EntryRefusal(
    CHIP_FIRST, "此卡为芯片卡,请插卡", "This card has a chip: insert it."
)
_NO_FALLBACK: Final = EntryRefusal(
    NO_FALLBACK, "芯片已拒绝,不可刷卡", "The chip refused: the stripe is not taken."
)


def admit(card: CardRead, *, today: date, chip: Chip) -> CardRead | EntryRefusal:
    """Return the card, marked as fall-back where it is one, or why it is not taken."""
    if expiry_ok(card.expiry) and expired(card.expiry, today):
        return _EXPIRED
    if card.entry_mode is not EntryMode.SWIPED or not card.has_chip:
        return card
    if chip is Chip.NOT_TRIED:
        return _CHIP_FIRST
    if chip is Chip.REFUSED:
        return _NO_FALLBACK
    return replace(card, entry_mode=EntryMode.FALLBACK)
