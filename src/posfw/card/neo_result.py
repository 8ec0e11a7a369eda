"""The result of an activation (02-40) as a card or a stable code; fails closed.

    attribution, 1 byte | TLV …          status 00 the reader is done, 23 it wants the acquirer

Attribution (NEO 2 guide, p233): bits 4, 3, 0 say how the card came in, bits 6, 7 whether data is
enciphered under the maker's key. A result counts only if it says this amount and this counter.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeAlias

from posfw.card.codes import (
    CARD_REFUSED,
    CHIP_MUTE,
    ENCRYPTED,
    MISMATCH,
    NO_CARD,
    OTHER_WAY,
    READER_REFUSED,
    SEVERAL_CARDS,
    TRY_AGAIN,
    UNUSABLE,
)
from posfw.card.magstripe import LineParser
from posfw.card.neo import Status
from posfw.card.tracks import Track, parse_track2
from posfw.card.vivotech2 import Burst, Reply
from posfw.codec.tlv import Node, encode, parse
from posfw.values.card import CardRead, EntryMode, Secret
from posfw.values.errors import CardDataError, CodecError
from posfw.values.money import Money

__all__ = ["AUTHORISATION_TAGS", "Outcome", "Way", "burst_read", "msr_line", "result", "way_of"]

Outcome: TypeAlias = CardRead | str

# What the acquirer gets, UnionPay's list for DE55 (payments page, 3.1).
AUTHORISATION_TAGS: Final = (
    0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9A, 0x9C, 0x9F02, 0x5F2A, 0x82, 0x9F1A, 0x9F03,
    0x9F33, 0x9F34, 0x9F35, 0x9F1E, 0x84, 0x9F09, 0x9F41, 0x9F63,
)  # fmt: skip
_NEEDED: Final = frozenset({0x9F26, 0x9F27, 0x9F10, 0x9F37, 0x9F36, 0x95, 0x9F02, 0x82})
_AMOUNT: Final = 0x9F02
_COUNTER: Final = 0x9F41
_TRACK2: Final = 0x57
_NUMBER: Final = 0x5A
_HOLDER: Final = 0x5F20
_SEQUENCE: Final = 0x5F34
_CRYPTOGRAM_INFORMATION: Final = 0x9F27
_CVM_RESULTS: Final = 0x9F34
_MSR: Final = 0xDFEE23
_ERROR_TABLE: Final = b"\xff\xee\x1f"
_ENCIPHERED: Final = 0xC0
_STX: Final = 0x02
_ETX: Final = 0x03
_ENHANCED: Final = 0x80
_SIGNATURE_CVMS: Final = frozenset({0x03, 0x05, 0x1E})  # EMV Book 3, table 39

# Error codes of a failed transaction that a person can do something about (p31-33). The rest is a
# refusal.
_ERRORS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x02: OTHER_WAY,  # go to the contact interface
        0x21: SEVERAL_CARDS,
        0x22: OTHER_WAY,  # above the reader's contactless limit
        0x24: TRY_AGAIN,  # communication with the card failed
        0x30: TRY_AGAIN,  # the card did not respond
    }
)


class Way(Enum):
    """How the card came in, by bits 4, 3 and 0 of the attribution."""

    CONTACT = "contact"
    CONTACTLESS = "contactless"
    CONTACTLESS_STRIPE = "contactless_stripe"
    STRIPE = "stripe"


class _Cryptogram(Enum):
    """Upper two bits of 9F27 (EMV Book 3, table 15)."""

    AAC = 0x00
    TC = 0x40
    ARQC = 0x80
    RFU = 0xC0


def way_of(attribution: int) -> Way:
    """Read the captured data type."""
    if attribution & 0x08:
        return Way.STRIPE
    if attribution & 0x01:
        return Way.CONTACTLESS_STRIPE if attribution & 0x10 else Way.CONTACTLESS
    return Way.CONTACT


def result(reply: Reply, *, asked: Money, counter: int) -> Outcome:
    """Return the card, or why there is none.

    Args:
        reply: the answer to 02-40.
        asked: the amount that was sent.
        counter: the counter that was sent.
    """
    if reply.status == Status.TIMEOUT:
        return NO_CARD
    if reply.status == Status.FAILED:
        return _failure(reply.data)
    if reply.status not in (Status.OK, Status.ONLINE):
        return READER_REFUSED
    if not reply.data:
        return MISMATCH
    attribution = reply.data[0]
    if attribution & _ENCIPHERED:
        return ENCRYPTED
    try:
        nodes = parse(reply.data[1:])
        if way_of(attribution) is Way.STRIPE:
            return _swiped(nodes)
        return _chip(nodes, way_of(attribution), reply.status, asked, counter)
    except (CodecError, CardDataError):
        return UNUSABLE


def burst_read(burst: Burst) -> Outcome:
    """Return the card of a burst frame as a swipe: a tap without an amount pays nothing."""
    [outcome] = LineParser().feed(burst.tracks + b"\r") or [UNUSABLE]
    return outcome


def msr_line(data: bytes) -> bytes:
    """Return the stripe reader's line out of ID TECH's enhanced format, clear data only.

        STX | length, 2 bytes little-endian | card data | XOR | sum | ETX

    Source: SecureMag user manual, p43; SREDKey 2 integration manual, p23.

    Raises:
        CodecError: framing, check bytes or lengths do not fit, or the tracks are masked.
    """
    size = int.from_bytes(data[1:3], "little")
    card = data[3 : 3 + size]
    if len(data) != size + 6 or data[0] != _STX or data[-1] != _ETX or size < 7:
        raise CodecError("The stripe's data is not as long as it says.")
    lrc = 0
    for byte in card:
        lrc ^= byte
    if data[-3] != lrc or data[-2] != sum(card) & 0xFF:
        raise CodecError("The stripe's data has wrong check bytes.")
    if not card[0] & _ENHANCED:
        raise CodecError("The stripe's data is in a format that is not known.")
    one, two, three = card[2:5]
    tracks = card[7 : 7 + one + two + three]
    if card[6] or b"*" in tracks or len(tracks) != one + two + three:
        raise CodecError("The stripe's data is masked, enciphered or cut off.")
    return tracks + b"\r"


def _failure(data: bytes) -> str:
    """Find the error code: in FFEE1F behind the attribution, or first in a bare table (p221)."""
    if not data:
        return TRY_AGAIN
    way, table = Way.CONTACTLESS, data
    # The tag says "constructed" and its content is a plain table: no TLV parser can hold it.
    at = data.find(_ERROR_TABLE, 1)
    if at > 0 and len(data) > at + 4:
        way, table = way_of(data[0]), data[at + 4 :]
    code = _ERRORS.get(table[0], CARD_REFUSED)
    return CHIP_MUTE if way is Way.CONTACT and code == TRY_AGAIN else code


def _swiped(nodes: list[Node]) -> Outcome:
    found = {node.tag: node.value for node in nodes}
    [outcome] = LineParser().feed(msr_line(found.get(_MSR, b""))) or [UNUSABLE]
    return outcome


def _chip(nodes: list[Node], way: Way, status: int, asked: Money, counter: int) -> Outcome:
    if way is Way.CONTACTLESS_STRIPE:
        return OTHER_WAY  # no cryptogram binds such a tap to this sale
    found = _objects(nodes)
    if not (found.keys() >= _NEEDED and _ours(found, asked, counter)):
        return MISMATCH
    made = _Cryptogram(int.from_bytes(found[_CRYPTOGRAM_INFORMATION][:1], "big") & 0xC0)
    if made is _Cryptogram.AAC:
        return CARD_REFUSED
    if made is _Cryptogram.RFU or (made is _Cryptogram.TC and status == Status.ONLINE):
        return MISMATCH
    card = _card(found, way, approved=made is _Cryptogram.TC)
    digits = found.get(_NUMBER, b"").hex().upper().rstrip("F")
    return card if digits in {"", card.number.reveal()} else MISMATCH


def _objects(nodes: list[Node]) -> Mapping[int, bytes]:
    """Return tag -> value; empty where one tag says two things."""
    found: dict[int, bytes] = {}
    for node in nodes:
        if found.setdefault(node.tag, node.value) != node.value:
            return {}
    return found


def _ours(found: Mapping[int, bytes], asked: Money, counter: int) -> bool:
    """Say whether a result answers what was asked, and not an activation before."""
    number = bytes.fromhex(f"{counter:08d}")
    amount = bytes.fromhex(f"{asked.minor:012d}")
    return found.get(_AMOUNT) == amount and found.get(_COUNTER, number) == number


def _card(found: Mapping[int, bytes], way: Way, *, approved: bool) -> CardRead:
    text = found.get(_TRACK2, b"").hex().upper().rstrip("F")
    track: Track = parse_track2(text)
    sequence = found.get(_SEQUENCE)
    holder = found.get(_HOLDER, b"")
    listed = [Node(tag, found[tag]) for tag in AUTHORISATION_TAGS if tag in found]
    return CardRead(
        number=track.number,
        entry_mode=EntryMode.CHIP if way is Way.CONTACT else EntryMode.CONTACTLESS,
        expiry=track.expiry,
        service_code=track.service_code,
        track2=Secret(text.replace("D", "=").encode("ascii")),
        emv=Secret(encode(listed)),
        sequence=int(sequence.hex()) if sequence and sequence.hex().isdigit() else None,
        holder=holder.decode("ascii", "replace").strip(),
        approved_offline=approved,
        signature=_signs(found.get(_CVM_RESULTS, b"")),
    )


def _signs(results: bytes) -> bool:
    """Say whether the card wants a signature; without CVM results it is asked for."""
    return len(results) != 3 or results[0] & 0x3F in _SIGNATURE_CVMS
