"""Write the vectors of the uplink protocol to standard output: bytes, keys, expected verdicts."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from posfw.codec import cbor
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Field, Message, MessageType
from posfw.uplink.session import (
    Opened,
    open_request,
    protect_answer,
    protect_request,
    seal_card,
)
from posfw.values.card import CardNumber, CardRead, EntryMode
from posfw.values.events import Plain
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind

TERMINAL, MERCHANT = "T0000001", "898310058120001"
BASE_KEY = bytes(range(0xC0, 0xE0))
KEY_ID = bytes.fromhex("1234567890123456")
ELEMENT = SoftwareElement(initial_key(BASE_KEY, KEY_ID), KEY_ID, bytes(32))
OTHER_ID = bytes.fromhex("1234567890123457")
OTHER = SoftwareElement(initial_key(BASE_KEY, OTHER_ID), OTHER_ID, bytes(32))
INTENT = Intent(
    Kind.SALE,
    Money(1250),
    EntryMode.SWIPED,
    "625094******8599",
    bytes(16),
    "01",
    datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
)
CARD = CardRead(CardNumber("6250941006528599"), EntryMode.SWIPED, "3012", "201")

Vector = dict[str, object]


def sealed(stan: int, element: SoftwareElement = ELEMENT) -> bytes:
    return seal_card(CARD, Begun(Key(TERMINAL, 3, stan), stan, INTENT), element, bytes(range(12)))


def sale(stan: int) -> Message:
    fields: dict[Field, Plain] = {
        Field.KIND: "sale",
        Field.AMOUNT: 1250,
        Field.CURRENCY: 156,
        Field.ENTRY_MODE: 2,
        Field.LOCAL_TIME: "20261124093000",
        Field.OPERATOR: "01",
        Field.CARD: sealed(stan),
    }
    return Message(MessageType.AUTHORISE, TERMINAL, MERCHANT, 3, stan, fields)


def approval(request: Message, **header: object) -> Message:
    parts: dict[str, object] = {
        "type": request.type,
        "terminal": request.terminal,
        "merchant": request.merchant,
        "batch": request.batch,
        "stan": request.stan,
        "fields": {Field.RESPONSE_CODE: "00", Field.AUTH_CODE: "123456"},
    }
    return Message(**(parts | header))  # type: ignore[arg-type]


def others() -> list[Message]:
    def message(kind: MessageType, stan: int, fields: dict[Field, object]) -> Message:
        return Message(kind, TERMINAL, MERCHANT, 3, stan, fields)  # type: ignore[arg-type]

    return [
        message(MessageType.ECHO, 0, {}),
        message(MessageType.SIGN_ON, 0, {Field.DETAILS: {"software": "0.1.0"}}),
        message(MessageType.INQUIRY, 7, {}),
        message(MessageType.REVERSAL, 7, {Field.REASON: "98", Field.REPEAT: True}),
        message(MessageType.ADVICE, 8, {Field.KIND: "sale", Field.AMOUNT: 5, Field.CURRENCY: 156}),
        message(MessageType.SETTLE, 0, {Field.TOTALS: [[156, 1250, 1, 0, 0]]}),
    ]


def vectors() -> list[Vector]:
    first, second = protect_request(sale(7), ELEMENT, 7), protect_request(sale(8), ELEMENT, 8)
    opened = open_request(first.data, lambda _: ELEMENT)
    good = protect_answer(approval(first.message), opened)
    broken = good[:-1] + bytes([good[-1] ^ 1])
    forged = protect_request(sale(7), SoftwareElement(bytes(32), KEY_ID, bytes(32)), 7).data

    def request(name: str, data: bytes, verdict: str, body: bytes = b"") -> Vector:
        return row(name, "request", data, verdict, body)

    def answer(name: str, data: bytes, verdict: str, body: bytes = b"") -> Vector:
        return row(name, "answer", data, verdict, body) | {"request": first.data.hex()}

    def by(changed: Message, like: Opened = opened) -> bytes:
        return protect_answer(changed, like)

    body = approval(first.message)
    return [
        request("sale", first.data, "accepted", first.message.encode()),
        *(
            request(f"{each.type.name.lower()}", data.data, "accepted", each.encode())
            for counter, each in enumerate(others(), 16)
            for data in (protect_request(each, ELEMENT, counter),)
        ),
        request("sale under a foreign key", forged, "refused"),
        request("sale with a changed code", flip(first.data), "refused"),
        request("answer shown as a request", good, "refused"),
        request("sale cut short", first.data[:-1], "malformed"),
        request("sale with a byte behind it", first.data + b"\x00", "malformed"),
        request(
            "sale from an unknown terminal", protect_request(sale(7), OTHER, 7).data, "refused"
        ),
        request("body without protection", first.message.encode(), "malformed"),
        answer("approval", good, "accepted", body.encode()),
        answer("approval with a changed code", broken, "refused"),
        answer("approval cut short", good[:-1], "malformed"),
        answer("own request reflected", first.data, "refused"),
        answer(
            "approval of another sale",
            by(approval(second.message), open_request(second.data, lambda _: ELEMENT)),
            "refused",
        ),
        answer(
            "approval bound to another request",
            by(body, Opened(first.message, 7, bytes(32), ELEMENT)),
            "refused",
        ),
        answer(
            "approval for another terminal", by(approval(body, terminal="T0000002")), "refused"
        ),
        answer("approval with another STAN", by(approval(body, stan=9)), "refused"),
        answer("answer without a response code", by(approval(body, fields={})), "refused"),
        row("card", "card", sealed(7), "accepted", b"") | {"stan": 7},
        row("card moved to another sale", "card", sealed(7), "refused", b"") | {"stan": 8},
        row("card under another key", "card", sealed(7, OTHER), "refused", b"") | {"stan": 7},
    ]


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def row(name: str, kind: str, data: bytes, verdict: str, body: bytes) -> Vector:
    cbor.decode(body or b"\xf6")
    return {
        "name": name,
        "kind": kind,
        "bytes": data.hex(),
        "body": body.hex(),
        "verdict": verdict,
    }


def main() -> None:
    keys = {
        "base_key": BASE_KEY.hex(),
        "initial_key_id": KEY_ID.hex(),
        "initial_key": initial_key(BASE_KEY, KEY_ID).hex(),
    }
    json.dump({"keys": keys, "vectors": vectors()}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
