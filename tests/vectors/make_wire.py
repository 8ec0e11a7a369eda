"""Write the vectors of the uplink protocol to standard output (see docs/wire.md, Vectors).

Everything a stranger needs stands in each vector: bytes, key, bound data, what comes out and the
verdict. `code` says whether a general COSE library opens the bytes with key and bound data:
then a refusal is one of the protocol's rules, else it is the code's. (cwt opens messages with
another algorithm, an unknown critical header and bytes behind them.)
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from posfw.codec import cbor
from posfw.crypto.dukpt import Usage, initial_key, transaction_key, working_key
from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Field, Message, MessageType
from posfw.uplink.session import (
    ANSWER,
    REQUEST,
    Opened,
    external_aad,
    kid_of,
    open_request,
    protect_answer,
    protect_request,
    seal_card,
)
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import CodecError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind
from tests.vectors.diagnostic import diagnose

TERMINAL, MERCHANT = "T0000001", "898310058120001"
BASE_KEY = bytes(range(0xC0, 0xE0))
KEY_ID = bytes.fromhex("1234567890123456")
FIRST = initial_key(BASE_KEY, KEY_ID)
ELEMENT = SoftwareElement(FIRST, KEY_ID, bytes(32))
OTHER_ID = bytes.fromhex("1234567890123457")
OTHER = SoftwareElement(initial_key(BASE_KEY, OTHER_ID), OTHER_ID, bytes(32))
FORGER = SoftwareElement(bytes(32), KEY_ID, bytes(32))
AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
INTENT = Intent(Kind.SALE, Money(1250), EntryMode.SWIPED, "625094******8599", bytes(16), "01", AT)
ANCHOR = bytes.fromhex("001122334455667701F4")  # entry 500
BEFORE = bytes.fromhex("8899AABBCCDDEEFF01EF")  # entry 495
NUMBER = CardNumber("6250941006528599")
KEYED = CardRead(NUMBER, EntryMode.KEYED, "3012")
SWIPED = CardRead(
    NUMBER, EntryMode.SWIPED, "3012", "201", track2=Secret(b"6250941006528599=301220112345")
)
CHIP = replace(
    SWIPED,
    entry_mode=EntryMode.CHIP,
    emv=Secret(bytes.fromhex("9F360200019A03261124")),
    sequence=1,
)

Vector = dict[str, Any]


def key_of(usage: Usage, counter: int, *, hmac: bool = True) -> str:
    """Return a working key by the arithmetic, not by the element."""
    key = transaction_key(FIRST, KEY_ID, counter)
    return working_key(key, usage, KEY_ID, counter, size=32, hmac=hmac).hex()


def sealed(stan: int, card: CardRead = SWIPED, element: SoftwareElement = ELEMENT) -> bytes:
    return seal_card(card, Begun(Key(TERMINAL, 3, stan), stan, INTENT), element, bytes(range(12)))


def sale(stan: int = 7) -> Message:
    return message(
        MessageType.AUTHORISE,
        stan,
        {
            Field.KIND: "sale",
            Field.AMOUNT: 1250,
            Field.CURRENCY: 156,
            Field.ENTRY_MODE: 2,
            Field.LOCAL_TIME: "20261124093000",
            Field.OPERATOR: "01",
            Field.CARD: sealed(stan),
        },
    )


def message(kind: MessageType, stan: int, fields: dict[Field, Any]) -> Message:
    return Message(kind, TERMINAL, MERCHANT, 3, stan, fields | {Field.ANCHOR: ANCHOR})


OK = {Field.RESPONSE_CODE: "00"}
APPROVED = OK | {
    Field.AUTH_CODE: "123456",
    Field.REFERENCE: "000000000042",
    Field.HOST_TIME: "20261124093001",
}
TOTALS = {"debit_count": 1, "debit_minor": 1250, "credit_count": 0, "credit_minor": 0}
# Every kind of message once, with an answer to it.
KINDS: list[tuple[str, Message, dict[Field, Any]]] = [
    (
        "sign-on",
        message(MessageType.SIGN_ON, 0, {Field.DETAILS: {"versions": [1]}}),
        OK
        | {
            Field.HOST_TIME: "20261124093001",
            Field.WITNESS: BEFORE,
            Field.DETAILS: {"version": 1},
        },
    ),
    ("sign-off", message(MessageType.SIGN_OFF, 0, {}), OK),
    (
        "echo",
        message(MessageType.ECHO, 0, {}),
        OK | {Field.DO_FIRST: [1, 3], Field.WITNESS: BEFORE},
    ),
    ("sale", sale(), APPROVED),
    (
        "refund",
        message(
            MessageType.AUTHORISE,
            9,
            {
                Field.KIND: "refund",
                Field.AMOUNT: 250,
                Field.CURRENCY: 156,
                Field.ENTRY_MODE: 2,
                Field.LOCAL_TIME: "20261124101500",
                Field.OPERATOR: "00",
                Field.ORIGINAL: [TERMINAL, 3, 7],
            },
        ),
        {Field.RESPONSE_CODE: "61"},
    ),
    ("inquiry", message(MessageType.INQUIRY, 7, {}), APPROVED | {Field.INQUIRY_STATE: 1}),
    (
        "reversal",
        message(MessageType.REVERSAL, 7, {Field.REASON: "98", Field.REPEAT: True}),
        {Field.RESPONSE_CODE: "25"},
    ),
    (
        "advice",
        message(
            MessageType.ADVICE,
            8,
            {
                Field.KIND: "sale",
                Field.AMOUNT: 500,
                Field.CURRENCY: 156,
                Field.ENTRY_MODE: 7,
                Field.CARD: sealed(8, CHIP),
            },
        ),
        {Field.RESPONSE_CODE: "94"},
    ),
    (
        "script result",
        message(
            MessageType.SCRIPT_RESULT, 7, {Field.ISSUER_RESULT: bytes.fromhex("DF31050100000000")}
        ),
        OK,
    ),
    (
        "settle",
        message(MessageType.SETTLE, 0, {Field.DETAILS: TOTALS}),
        OK | {Field.RECORDS: [[7, 1250, 1]], Field.DETAILS: {"result": 1} | TOTALS},
    ),
    (
        "batch upload",
        message(
            MessageType.UPLOAD,
            0,
            {Field.RECORDS: [[7, 1250, 1], [9, 250, -1]], Field.DETAILS: {"last": True}},
        ),
        OK | {Field.DETAILS: {"received": 2, "unlike": []}},
    ),
    (
        "parameters",
        message(MessageType.PARAMETERS, 0, {Field.DETAILS: {"have": {"limits": 1}}}),
        OK | {Field.DETAILS: {"sets": {"limits": {"version": 2}}}},
    ),
    (
        "vitals",
        message(MessageType.VITALS, 0, {Field.DETAILS: {"uptime_s": 60, "head_c": 31}}),
        OK,
    ),
    (
        "activation",
        message(MessageType.ACTIVATION, 0, {Field.DETAILS: {"step": "renew", "csr": b"\x30\x00"}}),
        OK | {Field.DETAILS: {"certificate": b"\x30\x00"}},
    ),
    (
        "instalment sale",
        message(
            MessageType.AUTHORISE,
            10,
            {
                Field.KIND: "instalment",
                Field.AMOUNT: 60_000,
                Field.CURRENCY: 156,
                Field.ENTRY_MODE: 2,
                Field.CARD: sealed(10),
                Field.INSTALMENT: ["YH03", 3, 1_080],
            },
        ),
        APPROVED,
    ),
    (
        "tip as an advice",
        message(
            MessageType.ADVICE,
            11,
            {
                Field.KIND: "tip",
                Field.AMOUNT: 125,
                Field.CURRENCY: 156,
                Field.ENTRY_MODE: 2,
                Field.ORIGINAL: [TERMINAL, 3, 7],
            },
        ),
        OK,
    ),
    (
        "sale by telephone",
        message(
            MessageType.ADVICE,
            12,
            {
                Field.KIND: "offline_sale",
                Field.AMOUNT: 900,
                Field.CURRENCY: 156,
                Field.ENTRY_MODE: 1,
                Field.CARD: sealed(12, KEYED),
                Field.AUTH_CODE: "A1B2C3",
            },
        ),
        OK,
    ),
    (
        "code to be shown",
        message(
            MessageType.AUTHORISE,
            13,
            {
                Field.KIND: "qr_sale",
                Field.AMOUNT: 880,
                Field.CURRENCY: 156,
                Field.ENTRY_MODE: 3,
            },
        ),
        {
            Field.RESPONSE_CODE: "09",
            Field.PAY_CODE: "https://pay.example/T0000001000003000013",
            Field.VALID_S: 60,
        },
    ),
    (
        "inquiry while the payer acts",
        message(MessageType.INQUIRY, 13, {}),
        {Field.RESPONSE_CODE: "09", Field.INQUIRY_STATE: 4, Field.VALID_S: 60},
    ),
    (
        "close",
        message(MessageType.INQUIRY, 13, {Field.CLOSE: True}),
        {Field.RESPONSE_CODE: "17", Field.INQUIRY_STATE: 2},
    ),
]


def request_row(
    name: str,
    data: bytes,
    verdict: str,
    like: Message,
    counter: int,
    *,
    code: bool,
    body: bytes = b"",
) -> Vector:
    aad = external_aad(REQUEST, like)
    key = key_of(Usage.MAC_GENERATION, counter)
    return row(name, "request", data, verdict, key, aad, body, code=code)


def answer_row(
    name: str,
    data: bytes,
    verdict: str,
    asked: Opened,
    request: bytes,
    *,
    code: bool,
    body: bytes = b"",
) -> Vector:
    aad = external_aad(ANSWER, asked.message, asked.digest)
    key = key_of(Usage.MAC_VERIFICATION, asked.counter)
    made = row(name, "answer", data, verdict, key, aad, body, code=code)
    return made | {"request": request.hex()}


def card_row(
    name: str, data: bytes, verdict: str, stan: int, *, code: bool, card: CardRead | None = None
) -> Vector:
    aad = cbor.encode([1, 2, TERMINAL, 0, 3, stan, b""])
    key = key_of(Usage.DATA_ENCRYPTION, 7, hmac=False)
    said: dict[str, str] = {}
    if card is not None:
        said = {"number": card.number.reveal(), "track2": card.track2.reveal().decode()}
    return row(name, "card", data, verdict, key, aad, b"", code=code) | {
        "stan": stan,
        "says": said,
    }


def row(
    name: str,
    kind: str,
    data: bytes,
    verdict: str,
    key: str,
    aad: bytes,
    body: bytes,
    *,
    code: bool,
) -> Vector:
    return {
        "name": name,
        "kind": kind,
        "verdict": verdict,
        "code": code,
        "bytes": data.hex(),
        "diagnostic": read(data),
        "key": key,
        "aad": aad.hex(),
        "body": body.hex(),
        "body_diagnostic": read(body) if body else "",
    }


def read(data: bytes) -> str:
    try:
        return diagnose(cbor.decode(data))
    except CodecError:
        return "not well-formed or not deterministic"


def protected(
    body: bytes, like: Message, counter: int, header: dict[int, Any] | None = None
) -> bytes:
    """Return a request of any body under a code that fits it: only the rules can refuse it."""
    head = cbor.encode({1: 5, 4: kid_of(ELEMENT, counter)} if header is None else header)
    structure = cbor.encode(["MAC0", head, external_aad(REQUEST, like), body])
    tag = ELEMENT.mac_key(counter).mac(structure)
    return cbor.encode(cbor.Tag(17, [head, {}, body, tag]))


def answered(body: bytes, asked: Opened) -> bytes:
    """Return an answer of any body under a code that fits it."""
    head = cbor.encode({1: 5, 4: kid_of(ELEMENT, asked.counter)})
    aad = external_aad(ANSWER, asked.message, asked.digest)
    tag = ELEMENT.mac_key(asked.counter, answer=True).mac(cbor.encode(["MAC0", head, aad, body]))
    return cbor.encode(cbor.Tag(17, [head, {}, body, tag]))


def good_rows() -> list[Vector]:
    rows = []
    for counter, (name, asked, fields) in enumerate(KINDS, 7):
        made = protect_request(asked, ELEMENT, counter)
        opened = open_request(made.data, lambda _: ELEMENT)
        answer = replace(asked, fields=fields)
        rows.append(
            request_row(
                name, made.data, "accepted", asked, counter, code=True, body=asked.encode()
            )
        )
        rows.append(
            answer_row(
                f"{name}: answer",
                protect_answer(answer, opened),
                "accepted",
                opened,
                made.data,
                code=True,
                body=answer.encode_answer(),
            )
        )
    return rows


def body_with(change: dict[int, Any], drop: int = -1) -> bytes:
    body = cbor.decode(sale().encode()) | change
    return cbor.encode({key: value for key, value in body.items() if key != drop})


def request_rows() -> list[Vector]:
    like, good = sale(), protect_request(sale(), ELEMENT, 7)
    good_answer = protect_answer(
        replace(like, fields=APPROVED), open_request(good.data, lambda _: ELEMENT)
    )
    kid = kid_of(ELEMENT, 7)
    plain = like.encode()
    rules = {
        "protocol version 2": body_with({0: 2}),
        "unknown message type": body_with({1: 99}),
        "unknown critical field": body_with({99: 1}),
        "field of the wrong type": body_with({17: "1250"}),
        "negative amount": body_with({17: -1}),
        "a false flag": body_with({27: False}),
        "an anchor without an entry": body_with({34: ANCHOR[:8]}),
        "no STAN": body_with({}, drop=5),
        "STAN beyond 999999": body_with({5: 1_000_000}),
        "a response code in a request": body_with({48: "00"}),
        "a body that is no map": cbor.encode([1, 2]),
        "amount in 8 bytes": plain.replace(
            b"\x11\x19\x04\xe2", b"\x11\x1b" + (1250).to_bytes(8, "big")
        ),
        "amount twice": b"\xaf" + plain[1:].replace(b"\x11\x19\x04\xe2", b"\x11\x19\x04\xe2" * 2),
        "an indefinite map": b"\xbf" + plain[1:] + b"\xff",
        "a float": body_with({}).replace(b"\x11\x19\x04\xe2", b"\x11\xf9\x64\xe2"),
    }
    headers: dict[str, dict[int, Any]] = {
        "algorithm HMAC 256/64": {1: 4, 4: kid},
        "no algorithm": {4: kid},
        "unknown crit": {1: 5, 2: [99], 4: kid, 99: 0},
        "an unknown header label": {1: 5, 4: kid, 99: 0},
        "a kid of 11 bytes": {1: 5, 4: kid[:-1]},
    }

    def rule(name: str, body: bytes) -> Vector:
        data = protected(body, like, 7)
        refused = name == "a response code in a request"
        return request_row(name, data, "refused" if refused else "malformed", like, 7, code=True)

    def outside(name: str, data: bytes, verdict: str = "refused") -> Vector:
        return request_row(name, data, verdict, like, 7, code=False)

    optional = body_with({128: "kept and ignored", 65_535: [1, None]})
    return [
        request_row(
            "unknown optional fields",
            protected(optional, like, 7),
            "accepted",
            like,
            7,
            code=True,
            body=optional,
        ),
        *(rule(name, body) for name, body in rules.items()),
        *(
            request_row(name, protected(plain, like, 7, header), "refused", like, 7, code=True)
            for name, header in headers.items()
        ),
        outside("a foreign key", protect_request(sale(), FORGER, 7).data, "refused"),
        outside("a changed code", flip(good.data), "refused"),
        outside("an answer shown as a request", good_answer, "malformed"),
        outside("cut short", good.data[:-1], "malformed"),
        request_row("a byte behind it", good.data + b"\x00", "malformed", like, 7, code=True),
        outside("an unknown terminal's key", protect_request(sale(), OTHER, 7).data, "refused"),
        outside("the kid of another counter", good.data.replace(kid, kid_of(ELEMENT, 8))),
        outside("no protection", plain, "malformed"),
        outside("another COSE tag", b"\xd2" + good.data[1:], "malformed"),
    ]


def answer_rows() -> list[Vector]:
    first, second = (protect_request(sale(stan), ELEMENT, stan) for stan in (7, 8))
    asked = open_request(first.data, lambda _: ELEMENT)
    body = replace(sale(), fields=APPROVED)
    good = protect_answer(body, asked)

    def outside(name: str, data: bytes, verdict: str = "refused") -> Vector:
        return answer_row(name, data, verdict, asked, first.data, code=False)

    def rule(name: str, data: bytes, verdict: str) -> Vector:
        return answer_row(name, answered(data, asked), verdict, asked, first.data, code=True)

    def like(**header: Any) -> bytes:
        other = replace(asked.message, **header)
        return protect_answer(replace(other, fields=APPROVED), replace(asked, message=other))

    other = open_request(second.data, lambda _: ELEMENT)
    return [
        outside("approval with a changed code", flip(good)),
        outside("approval cut short", good[:-1], "malformed"),
        outside("own request reflected", first.data),
        outside("approval of another sale", answered(body.encode_answer(), other)),
        outside(
            "approval bound to another request",
            protect_answer(body, replace(asked, digest=bytes(32))),
        ),
        outside("approval for another terminal", like(terminal="T0000002")),
        outside("approval of another batch", like(batch=4)),
        outside("approval with another STAN", like(stan=9)),
        outside("answer of another type", like(type=MessageType.ADVICE)),
        rule("answer without a response code", cbor.encode({}), "refused"),
        rule("answer with a header of its own", cbor.encode({0: 1, 48: "00"}), "malformed"),
        rule("answer with an unknown critical field", cbor.encode({48: "00", 99: 1}), "malformed"),
    ]


def card_rows() -> list[Vector]:
    return [
        card_row("card, keyed", sealed(7, KEYED), "accepted", 7, code=True, card=KEYED),
        card_row("card, swiped", sealed(7), "accepted", 7, code=True, card=SWIPED),
        card_row("card, chip", sealed(7, CHIP), "accepted", 7, code=True, card=CHIP),
        card_row("card moved to another sale", sealed(7), "refused", 8, code=False),
        card_row("card under another key", sealed(7, SWIPED, OTHER), "refused", 7, code=False),
        card_row("card with a changed tag", flip(sealed(7)), "refused", 7, code=False),
        card_row("card cut short", sealed(7)[:-1], "malformed", 7, code=False),
    ]


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def main() -> None:
    keys = {
        "base_key": BASE_KEY.hex(),
        "initial_key_id": KEY_ID.hex(),
        "initial_key": FIRST.hex(),
    }
    vectors = [*good_rows(), *request_rows(), *answer_rows(), *card_rows()]
    json.dump({"keys": keys, "vectors": vectors}, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
