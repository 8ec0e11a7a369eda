"""What PC/SC's return codes and reader states mean (PC/SC Part 5; pcsc-lite's pcsclite.h)."""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["Absence", "absence", "is_present", "protocol_of"]

SUCCESS: Final = 0
CANCELLED: Final = 0x80100002
TIMEOUT: Final = 0x8010000A
STATE_PRESENT: Final = 0x0020
STATE_UNAVAILABLE: Final = 0x0008
STATE_UNKNOWN: Final = 0x0004
PROTOCOL_T1: Final = 0x0002

# No card, reset or removed under our feet: insert it again.
_REMOVED: Final = frozenset({0x8010000C, 0x80100068, 0x80100069, 0x80100010})
# A card that is there and does not speak: no ATR, unpowered, or the transmission broke off. With
# Debian's vpcd a pulled card is first reported as NOT_TRANSACTED (0x80100016), measured.
_MUTE: Final = frozenset({0x80100066, 0x80100067, 0x80100065, 0x80100013, 0x80100016, 0x8010002F})


class Absence(Enum):
    """Why there is no answer of the card."""

    REMOVED = "removed"
    MUTE = "mute"


def absence(code: int) -> Absence | None:
    """Return what a failed call says of the card, None if it is the reader or service that failed.

    Args:
        code: as the binding gives it, signed or unsigned.
    """
    code &= 0xFFFFFFFF
    if code in _REMOVED:
        return Absence.REMOVED
    return Absence.MUTE if code in _MUTE else None


def is_present(state: int) -> bool | None:
    """Return whether a card is in, None if the reader itself is gone."""
    if state & (STATE_UNKNOWN | STATE_UNAVAILABLE):
        return None
    return bool(state & STATE_PRESENT)


def protocol_of(active: int) -> int:
    """Return 0 or 1 for T=0 or T=1."""
    return 1 if active == PROTOCOL_T1 else 0
