"""Whether a card may be used as it came, and how its holder is verified. Pure.

Chip first: fall-back to the stripe only after a chip that gave no answer, never after one that
refused. Verification follows the entry mode: a stripe's service code, a chip's CVM results, and
for taps the acquirer's limit without PIN and signature (小额免密免签).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from typing import Final

from posfw.card.codes import CARD_REFUSED, CHIP_FIRST, EXPIRED, NO_FALLBACK, NO_PIN_PAD
from posfw.card.tracks import ServiceCode, expired, expiry_ok
from posfw.codec.tlv import find, parse
from posfw.values.card import CardRead, EntryMode, Secret
from posfw.values.errors import CodecError
from posfw.values.money import Money

__all__ = ["Chip", "EntryRefusal", "Terms", "Verification", "admit", "verification", "verified"]


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


@dataclass(frozen=True, slots=True)
class Terms:
    """What acquirer and board say; data, not rules.

    Attributes:
        free_limit: up to here a tap needs neither PIN nor signature; None: never.
        pin_pad: whether a PIN can be entered.
    """

    free_limit: Money | None = None
    pin_pad: bool = False


@dataclass(frozen=True, slots=True)
class Verification:
    """How the holder is verified.

    Attributes:
        pin: an online PIN is asked for.
        signature: the receipt gets a signature line.
        online: the terminal must not approve this by itself; only the issuer can see a PIN.
        free: waived under the acquirer's limit; the receipt says so.
    """

    pin: bool = False
    signature: bool = False
    online: bool = False
    free: bool = False


_CVM_RESULTS: Final = 0x9F34
_ONLINE_PIN: Final = 0x02
_NO_CVM: Final = 0x1F
_METHOD: Final = 0x3F

_NOT_FOR_GOODS: Final = EntryRefusal(
    CARD_REFUSED, "此卡不可用于消费", "This card does not pay for goods."
)
_NO_PIN_PAD: Final = EntryRefusal(
    NO_PIN_PAD, "此卡须输密码,本机无密码键盘", "This card needs a PIN, and there is no PIN pad."
)


def verification(card: CardRead, amount: Money, terms: Terms) -> Verification | EntryRefusal:
    """Say how the holder is verified, or why the card cannot be taken here."""
    found = _BY_MODE[card.entry_mode](card, amount, terms)
    if isinstance(found, Verification) and found.pin and not terms.pin_pad:
        return _NO_PIN_PAD
    return found


def verified(card: CardRead, found: Verification, pin_block: Secret | None) -> CardRead:
    """Return the card as it goes to the acquirer; a PIN that was asked for and not given signs."""
    given = pin_block or Secret(b"")
    signature = found.signature or (found.pin and not given)
    return replace(card, pin_block=given, signature=signature)


def _stripe(card: CardRead, _: Money, terms: Terms) -> Verification | EntryRefusal:
    code = ServiceCode.of(card.service_code)
    if not code.goods:
        return _NOT_FOR_GOODS
    pin = code.pin or (code.pin_if_pad and terms.pin_pad)
    online = pin or code.online or card.entry_mode is EntryMode.FALLBACK
    return Verification(pin=pin, signature=not pin, online=online)


def _chip(card: CardRead, _: Money, __: Terms) -> Verification:
    """The kernel has chosen the method; only an online PIN is left to do."""
    pin = _cvm(card) == _ONLINE_PIN and not card.approved_offline
    return Verification(pin=pin, signature=card.signature, online=pin)


def _tap(card: CardRead, amount: Money, terms: Terms) -> Verification:
    limit = terms.free_limit
    if limit is not None and limit.currency == amount.currency and not limit < amount:
        return Verification(free=True)
    method = _cvm(card)
    pin = method in (_ONLINE_PIN, None) and not card.approved_offline
    # Above the limit "no CVM" is no reason to ask for nothing.
    return Verification(pin=pin, signature=card.signature or method == _NO_CVM, online=pin)


def _keyed(card: CardRead, _: Money, __: Terms) -> Verification:
    return Verification(signature=card.signature, online=True)


def _code(_: CardRead, __: Money, ___: Terms) -> Verification:
    """A payment code was confirmed on the holder's own phone."""
    return Verification(online=True)


_BY_MODE: Final = {
    EntryMode.KEYED: _keyed,
    EntryMode.SWIPED: _stripe,
    EntryMode.FALLBACK: _stripe,
    EntryMode.CHIP: _chip,
    EntryMode.CONTACTLESS: _tap,
    EntryMode.QR: _code,
}


def _cvm(card: CardRead) -> int | None:
    """Return the method of the CVM results (EMV Book 3, table 39), None where there are none."""
    try:
        [results] = [node.value for node in find(parse(card.emv.reveal()), _CVM_RESULTS)]
    except (CodecError, ValueError):
        return None
    return results[0] & _METHOD if len(results) == 3 else None
