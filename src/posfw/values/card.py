"""Card numbers that mask themselves, and what a reader hands to a sale.

PCI DSS 4.0.1, 3.4.1: at most the BIN and the last four digits are shown. Here: first six and last
four; a value too short to hide at least four digits between them is masked wholly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from posfw.values.errors import CardDataError

__all__ = ["CardNumber", "CardRead", "EntryMode", "Secret", "luhn_ok", "mask"]

_MIN_SHOWN_DIGITS: Final = 14  # six and four shown, at least four hidden


def mask(digits: str) -> str:
    """Return first six and last four digits around stars; a short value is all stars."""
    if len(digits) < _MIN_SHOWN_DIGITS:
        return "*" * len(digits)
    return digits[:6] + "*" * (len(digits) - 10) + digits[-4:]


def luhn_ok(digits: str) -> bool:
    """Say whether ISO/IEC 7812-1 annex B's check digit fits: a warning, never a reason to refuse.

    Published UnionPay test numbers fail it (measured), so do some live private-label cards.
    """
    doubled = [int(d) * 2 for d in digits[-2::-2]]
    total = sum(int(d) for d in digits[::-2]) + sum(d - 9 if d > 9 else d for d in doubled)
    return total % 10 == 0


class Secret:
    """Bytes that show only their length; `reveal()` is the one explicit way to them."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """Return the bytes: for encryption only, never for a log, a row or a screen."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"<{len(self._value)} secret bytes>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret does not leave the process")


class CardNumber:
    """A primary account number (ISO/IEC 7812-1): 8 to 19 digits, masked wherever it is shown.

    Raises:
        CardDataError: not 8 to 19 ASCII digits.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        if not (8 <= len(digits) <= 19 and digits.isascii() and digits.isdigit()):
            raise CardDataError(f"A card number of {len(digits)} characters cannot be used.")
        self._digits = digits

    def reveal(self) -> str:
        """Return all digits: for encryption, keyed hashing and routing only."""
        return self._digits

    @property
    def masked(self) -> str:
        """First six and last four digits, the rest as stars."""
        return mask(self._digits)

    @property
    def luhn_ok(self) -> bool:
        """Whether the check digit fits (a warning only)."""
        return luhn_ok(self._digits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CardNumber) and other._digits == self._digits

    def __hash__(self) -> int:
        return hash(self._digits)

    def __repr__(self) -> str:
        return f"<card {self.masked}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a CardNumber does not leave the process")


class EntryMode(IntEnum):
    """How the card number came in: the first two digits of ISO 8583 DE22 as UnionPay uses them."""

    KEYED = 1
    SWIPED = 2
    QR = 3
    CHIP = 5
    CONTACTLESS = 7
    FALLBACK = 80

    @property
    def letter(self) -> str:
        """The letter behind the card number on a receipt (UnionPay: M S Q I C F)."""
        return {1: "M", 2: "S", 3: "Q", 5: "I", 7: "C", 80: "F"}[self.value]


@dataclass(frozen=True, slots=True)
class CardRead:
    """One card as a reader or the keypad gave it. It lives in memory until the answer, no longer.

    Attributes:
        number: the card number.
        entry_mode: how it came in.
        expiry: YYMM as on the card, or "" when the source has none.
        service_code: three digits of ISO/IEC 7813, or "" when keyed.
        track2: track 2 equivalent without sentinels, empty when keyed.
        emv: DE55-equivalent BER-TLV data of a chip or contactless card, else empty.
        sequence: card sequence number (5F34), or None.
        pin_block: ISO 9564-1 format 4 block from the PIN pad with its key's serial number, or
            empty.
        holder: cardholder name as on track 1 or 5F20, "" if unknown; never printed in full.
        approved_offline: the card itself approved (TC); `emv` carries the certificate.
        signature: the cardholder must sign.
    """

    number: CardNumber
    entry_mode: EntryMode
    expiry: str = ""
    service_code: str = ""
    track2: Secret = field(default=Secret(b""), repr=False)
    emv: Secret = field(default=Secret(b""), repr=False)
    sequence: int | None = None
    pin_block: Secret = field(default=Secret(b""), repr=False)
    holder: str = field(default="", repr=False)
    approved_offline: bool = False
    signature: bool = True

    @property
    def has_chip(self) -> bool:
        """Service code digit 1 is 2 or 6: the card has a chip that must be tried first."""
        return self.service_code[:1] in {"2", "6"}
