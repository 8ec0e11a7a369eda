"""Protection of messages: COSE_Mac0 with a DUKPT key for each request, COSE_Encrypt0 for cards.

kid is the KSN (initial key ID, 8 bytes, and counter, 4 bytes), unique for each request; the answer
is made with the answer key of the same counter and binds the request's hash. So an answer fits one
request only, and neither side can be shown its own message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from posfw.codec import cbor
from posfw.crypto import cose
from posfw.ports import SecureElement
from posfw.uplink import card_data
from posfw.uplink.messages import VERSION, Field, Message, MessageType
from posfw.values.card import CardRead
from posfw.values.errors import AuthenticityError, MisuseError
from posfw.values.identity import Key
from posfw.values.transaction import Begun

__all__ = [
    "ANSWER",
    "CARD",
    "REQUEST",
    "Opened",
    "Sealed",
    "external_aad",
    "kid_of",
    "open_answer",
    "open_card",
    "open_request",
    "protect_answer",
    "protect_request",
    "seal_card",
]

REQUEST: Final = 0
ANSWER: Final = 1
CARD: Final = 2

_KEY_ID_BYTES: Final = 8
_COUNTER_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Sealed:
    """A request ready for the line, and what its answer is checked against."""

    data: bytes = field(repr=False)
    digest: bytes
    kid: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Opened:
    """A request that verified.

    The receiver still checks that `key_id` belongs to `message.terminal`: that table is its own.
    """

    message: Message
    counter: int
    digest: bytes
    element: SecureElement

    @property
    def key_id(self) -> bytes:
        """The 8-byte initial key ID that it verified under."""
        return self.element.initial_key_id


def kid_of(element: SecureElement, counter: int) -> bytes:
    """Return the 12-byte KSN of a counter (ANSI X9.24-3)."""
    return element.initial_key_id + counter.to_bytes(4, "big")


def external_aad(direction: int, message: Message, digest: bytes = b"") -> bytes:
    """Return what a MAC binds beside the body: version, direction, terminal, type, batch, STAN.

    Args:
        direction: REQUEST or ANSWER.
        message: whose header is bound.
        digest: SHA-256 of the whole request in an answer, else empty.
    """
    return cbor.encode(
        [
            VERSION,
            direction,
            message.terminal,
            int(message.type),
            message.batch,
            message.stan,
            digest,
        ]
    )


def protect_request(message: Message, element: SecureElement, counter: int) -> Sealed:
    """Return a request under the request key of `counter`, which is never used for another one."""
    kid = kid_of(element, counter)
    data = cose.mac0(
        message.encode(),
        key=element.mac_key(counter),
        kid=kid,
        external_aad=external_aad(REQUEST, message),
    )
    return Sealed(data, hashlib.sha256(data).digest(), kid, message)


def open_request(data: bytes, element_of: Callable[[bytes], SecureElement]) -> Opened:
    """Verify and read a request, on the acquirer's side.

    Args:
        data: one frame's payload.
        element_of: gives the key holder for an 8-byte initial key ID; raises AuthenticityError
            for one it does not know.

    Raises:
        CodecError: not a message.
        AuthenticityError: it does not verify.
    """
    sealed = cose.parse_mac0(data)
    element = element_of(sealed.kid[:_KEY_ID_BYTES])
    counter = int.from_bytes(sealed.kid[_KEY_ID_BYTES:], "big")
    message = Message.decode(sealed.payload)
    cose.verify_mac0(
        sealed, key=element.mac_key(counter), external_aad=external_aad(REQUEST, message)
    )
    if Field.RESPONSE_CODE in message.fields:
        raise AuthenticityError("The request carries a response code.")
    return Opened(message, counter, hashlib.sha256(data).digest(), element)


def protect_answer(message: Message, request: Opened) -> bytes:
    """Return an answer under the answer key of the request's counter, bound to its hash.

    Raises:
        MisuseError: its header is not the request's.
    """
    if header_of(message) != header_of(request.message):
        raise MisuseError("An answer's header is its request's.")
    return cose.mac0(
        message.encode_answer(),
        key=request.element.mac_key(request.counter, answer=True),
        kid=kid_of(request.element, request.counter),
        external_aad=external_aad(ANSWER, request.message, request.digest),
    )


def open_answer(data: bytes, *, element: SecureElement, request: Sealed) -> Message:
    """Verify and read the answer to `request`.

    Raises:
        CodecError: not a message.
        AuthenticityError: another request's answer, a wrong MAC, or no response code: no answer.
    """
    sealed = cose.parse_mac0(data)
    if sealed.kid != request.kid:
        raise AuthenticityError("The answer belongs to another request.")
    counter = int.from_bytes(request.kid[_KEY_ID_BYTES:], "big")
    payload = cose.verify_mac0(
        sealed,
        key=element.mac_key(counter, answer=True),
        external_aad=external_aad(ANSWER, request.message, request.digest),
    )
    answer = Message.decode_answer(payload, request.message)
    if Field.RESPONSE_CODE not in answer.fields:
        raise AuthenticityError("The answer has no response code.")
    return answer


def seal_card(card: CardRead, begun: Begun, element: SecureElement, nonce: bytes) -> bytes:
    """Encrypt card data, without PIN block and name, under the transaction's data key.

    Args:
        card: as read.
        begun: gives the key that is bound and the DUKPT counter.
        element: holds the keys.
        nonce: 12 fresh bytes.
    """
    return cose.encrypt0(
        card_data.pack(card),
        key=element.data_key(begun.ksn_counter),
        kid=begun.ksn_counter.to_bytes(_COUNTER_BYTES, "big"),
        nonce=nonce,
        external_aad=_card_aad(begun.key),
    )


def open_card(data: bytes, *, key: Key, element: SecureElement) -> CardRead:
    """Decrypt card data, on the acquirer's side.

    Raises:
        CodecError: not COSE_Encrypt0, or not card data inside.
        AuthenticityError: another terminal's or transaction's, or changed.
    """
    sealed = cose.parse_encrypt0(data)
    data_key = element.data_key(int.from_bytes(sealed.kid, "big"))
    return card_data.unpack(cose.decrypt0(sealed, key=data_key, external_aad=_card_aad(key)))


def _card_aad(key: Key) -> bytes:
    return cbor.encode([VERSION, CARD, key.terminal, 0, key.batch, key.stan, b""])


def header_of(message: Message) -> tuple[MessageType, str, str, int, int]:
    """Return what an answer has in common with its request."""
    return (message.type, message.terminal, message.merchant, message.batch, message.stan)
