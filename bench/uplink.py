"""The uplink's claims: what protection costs beside the bare library calls."""

from __future__ import annotations

import hashlib
import time

import cbor2

from bench.claim import Claim, best
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Field, Message, MessageType
from posfw.uplink.session import open_answer, open_request, protect_answer, protect_request

EXCHANGES = 300
KEY_ID = bytes(8)
ELEMENT = SoftwareElement(initial_key(bytes(32), KEY_ID), KEY_ID, bytes(32))


def _fields() -> dict[Field, object]:
    return {
        Field.KIND: "sale",
        Field.AMOUNT: 1250,
        Field.CURRENCY: 156,
        Field.ENTRY_MODE: 2,
        Field.LOCAL_TIME: "20260302093000",
        Field.OPERATOR: "01",
        Field.CARD: bytes(120),
    }


def _uplink_cpu_us() -> float:
    fields = _fields()
    before = time.process_time()
    for counter in range(1, EXCHANGES + 1):
        request = Message(MessageType.AUTHORISE, "12345678", "8" * 15, 1, counter, fields)  # type: ignore[arg-type]  # plain values
        sealed = protect_request(request, ELEMENT, counter)
        opened = open_request(sealed.data, lambda _: ELEMENT)
        answer = Message(
            MessageType.AUTHORISE, "12345678", "8" * 15, 1, counter, {Field.RESPONSE_CODE: "00"}
        )
        open_answer(protect_answer(answer, opened), element=ELEMENT, request=sealed)
    return (time.process_time() - before) / EXCHANGES * 1e6


def _bare_exchange_cpu_us() -> float:
    """Bare cbor2, hmac and key derivation for the same two messages, nothing checked."""
    fields = {int(key): value for key, value in _fields().items()}
    head = {0: 1, 1: 4, 2: "12345678", 3: "8" * 15, 4: 1}
    before = time.process_time()
    for counter in range(1, EXCHANGES + 1):
        for answer, body in ((False, fields), (True, {48: "00"})):
            for _ in range(2):  # both ends derive the key and compute the code
                key = ELEMENT.mac_key(counter, answer=answer)
                payload = cbor2.dumps(head | {5: counter} | body, canonical=True)
                message = cbor2.dumps([b"x" * 18, {}, payload, key.mac(payload)])
                cbor2.loads(cbor2.loads(message)[2])
                hashlib.sha256(message).digest()
    return (time.process_time() - before) / EXCHANGES * 1e6


def uplink_cpu() -> Claim:
    """Encode, protect, verify, decode one exchange on both ends against the bare calls."""
    return Claim(
        best(_uplink_cpu_us),
        best(_bare_exchange_cpu_us),
        "us CPU",
        1.5,
        "request and answer, both ends, key derivation included; other: bare cbor2 and hmac",
    )


CLAIMS = {"uplink_cpu": uplink_cpu}
