"""Card data inside its encryption: nothing said twice, digits packed two a byte as tag 57 does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from posfw.codec import cbor
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import CardDataError, CodecError

__all__ = ["pack", "unpack"]

_NUMBER, _ENTRY, _EXPIRY, _SERVICE, _TRACK2, _EMV, _SEQUENCE, _OFFLINE, _RAW = range(9)
# ISO/IEC 7813 track 2 without sentinels; what has another form travels as it is.
_TRACK: Final = re.compile(b"([0-9]{8,19})=([0-9]{4})([0-9]{3})[0-9]*")


def pack(card: CardRead) -> bytes:
    """Return card data without PIN block and name; a track says number, expiry and service."""
    plain: dict[int, object] = {_ENTRY: int(card.entry_mode)}
    track = card.track2.reveal()
    found = _TRACK.fullmatch(track)
    said = tuple(part.decode() for part in found.groups()) if found else ()
    if said == (card.number.reveal(), card.expiry, card.service_code):
        plain[_TRACK2] = _packed(track)
    else:
        plain |= {_NUMBER: card.number.reveal()}
        texts = {_EXPIRY: card.expiry, _SERVICE: card.service_code, _RAW: track}
        plain |= {key: text for key, text in texts.items() if text}
    if card.emv:
        plain[_EMV] = card.emv.reveal()
    if card.sequence is not None:
        plain[_SEQUENCE] = card.sequence
    if card.approved_offline:
        plain[_OFFLINE] = True
    return cbor.encode(plain)


def unpack(data: bytes) -> CardRead:
    """Read what `pack` wrote.

    Raises:
        CodecError: another form.
    """
    plain = cbor.decode(data)
    try:
        return _card(plain)
    except (KeyError, TypeError, ValueError, AttributeError, CardDataError):
        # The cause would name the value; the chain is cut so that no card data reaches a log.
        raise CodecError("The card data has not the form of this version.") from None


def _card(plain: Mapping[int, Any]) -> CardRead:
    if not plain.keys() <= set(range(_RAW + 1)) or (_TRACK2 in plain) is (_NUMBER in plain):
        raise ValueError("keys")
    track = _unpacked(plain[_TRACK2]) if _TRACK2 in plain else plain.get(_RAW, b"")
    number, expiry, service = plain.get(_NUMBER), plain.get(_EXPIRY, ""), plain.get(_SERVICE, "")
    if number is None:
        found = _TRACK.fullmatch(track)
        if found is None:
            raise ValueError("track")
        number, expiry, service = (part.decode() for part in found.groups())
    return CardRead(
        number=CardNumber(number),
        entry_mode=EntryMode(plain[_ENTRY]),
        expiry=expiry,
        service_code=service,
        track2=Secret(track),
        emv=Secret(plain.get(_EMV, b"")),
        sequence=plain.get(_SEQUENCE),
        approved_offline=plain.get(_OFFLINE, False),
    )


def _packed(track: bytes) -> bytes:
    digits = track.decode().replace("=", "D")
    return bytes.fromhex(digits + "F" * (len(digits) % 2))


def _unpacked(data: bytes) -> bytes:
    return data.hex().upper().removesuffix("F").replace("D", "=").encode()
