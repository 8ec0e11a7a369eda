from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pycddl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.codec import cbor
from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Field, Message, MessageType, from_names, to_names
from posfw.uplink.session import Sealed, open_answer, open_card, open_request, seal_card
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import AuthenticityError, CodecError, InputError, MisuseError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind

ROOT = Path(__file__).parents[2]
CDDL = (ROOT / "docs/wire.cddl").read_text(encoding="utf-8")
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/vectors/wire.json").read_text())
TERMINAL, MERCHANT = "T0000001", "898310058120001"


def element() -> SoftwareElement:
    keys = VECTORS["keys"]
    key_id = bytes.fromhex(keys["initial_key_id"])
    first = initial_key(bytes.fromhex(keys["base_key"]), key_id)
    assert first.hex() == keys["initial_key"]
    return SoftwareElement(first, key_id, bytes(32))


def rule(name: str) -> pycddl.Schema:
    return pycddl.Schema(CDDL.replace("wire = mac0", f"wire = {name}\nany-wire = mac0", 1))


def find(data: bytes) -> SoftwareElement:
    found = element()
    if data != found.initial_key_id:
        raise AuthenticityError("An unknown terminal.")
    return found


def judge(vector: dict[str, Any]) -> str:
    data = bytes.fromhex(vector["bytes"])
    try:
        if vector["kind"] == "request":
            open_request(data, find)
        elif vector["kind"] == "answer":
            asked = bytes.fromhex(vector["request"])
            opened = open_request(asked, find)
            kid = opened.key_id + opened.counter.to_bytes(4, "big")
            open_answer(
                data, element=element(), request=Sealed(asked, opened.digest, kid, opened.message)
            )
        else:
            open_card(data, key=Key(TERMINAL, 3, vector["stan"]), element=element())
    except CodecError:
        return "malformed"
    except AuthenticityError:
        return "refused"
    return "accepted"


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda each: each["name"])
def test_a_vector_gets_its_verdict(vector: dict[str, Any]) -> None:
    assert judge(vector) == vector["verdict"]


def test_accepted_vectors_and_their_bodies_fit_the_cddl() -> None:
    shapes = {"request": ("mac0", "request"), "answer": ("mac0", "answer"), "card": ("encrypt0",)}
    for vector in VECTORS["vectors"]:
        if vector["verdict"] != "accepted":
            continue
        outer, *inner = shapes[vector["kind"]]
        data = bytes.fromhex(vector["bytes"])
        rule(outer).validate_cbor(data)
        header = {"mac0": "mac-header", "encrypt0": "encrypt-header"}[outer]
        rule(header).validate_cbor(cbor.decode(data).value[0])
        for name in inner:
            rule(name).validate_cbor(bytes.fromhex(vector["body"]))


def test_the_vector_file_is_what_its_program_writes() -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "tests/vectors/make_wire.py"], capture_output=True, check=True
    )
    assert json.loads(made.stdout) == VECTORS


@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_one_error(data: bytes) -> None:
    for read in (Message.decode, lambda each: open_request(each, find)):
        with pytest.raises(InputError):
            read(data)


@given(st.data())
def test_a_changed_bit_is_always_refused(data: st.DataObject) -> None:
    vector = VECTORS["vectors"][0]
    good = bytearray.fromhex(vector["bytes"])
    place = data.draw(st.integers(0, len(good) * 8 - 1))
    good[place // 8] ^= 1 << place % 8
    with pytest.raises(InputError):
        open_request(bytes(good), find)


@pytest.mark.parametrize(
    "fields",
    [
        {Field.AMOUNT: -1},
        {Field.AMOUNT: True},
        {Field.TEST: False},
        {Field.ORIGINAL: [TERMINAL, 0, 1]},
        {Field.DO_FIRST: [9]},
        {Field.NOTE: "n" * 41},
    ],
)
def test_a_value_of_the_wrong_form_is_never_encoded(fields: dict[Field, Any]) -> None:
    with pytest.raises(MisuseError):
        Message(MessageType.AUTHORISE, TERMINAL, MERCHANT, 3, 7, fields).encode()


@pytest.mark.parametrize("change", [{0: 2}, {1: 99}, {99: 1}, {4: True}, {17: "1"}])
def test_another_version_type_or_field_is_refused(change: dict[int, Any]) -> None:
    body = {0: 1, 1: 4, 2: TERMINAL, 3: MERCHANT, 4: 3, 5: 7} | change
    with pytest.raises(CodecError):
        Message.decode(cbor.encode(body))


def test_a_sealed_card_comes_back_without_pin_block_and_only_for_its_own_key() -> None:
    card = CardRead(
        CardNumber("6250941006528599"),
        EntryMode.CHIP,
        "3012",
        track2=Secret(b"6250941006528599=3012"),
        sequence=1,
        pin_block=Secret(b"p" * 16),
    )
    at = datetime(2026, 11, 24, tzinfo=UTC)
    intent = Intent(Kind.SALE, Money(1), EntryMode.CHIP, card.number.masked, b"", "01", at)
    begun = Begun(Key(TERMINAL, 3, 7), 7, intent)
    sealed = seal_card(card, begun, element(), bytes(12))
    back = open_card(sealed, key=begun.key, element=element())
    assert (back.number, back.track2, back.sequence) == (card.number, card.track2, 1)
    assert not back.pin_block
    with pytest.raises(AuthenticityError):
        open_card(sealed, key=Key(TERMINAL, 3, 8), element=element())


def test_names_become_fields_and_unknown_names_become_details() -> None:
    kind, numbered = from_names("settle", {"totals": [], "closing": "x", "batch": 3})
    assert kind is MessageType.SETTLE
    assert numbered == {Field.TOTALS: [], Field.DETAILS: {"closing": "x"}, "batch": 3}
    fields = {key: value for key, value in numbered.items() if isinstance(key, Field)}
    message = Message(kind, TERMINAL, MERCHANT, 3, 0, fields)
    assert to_names(Message.decode(message.encode())) == {"totals": [], "closing": "x"}
    with pytest.raises(MisuseError):
        from_names("withdraw", {})
