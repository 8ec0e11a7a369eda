from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.codec import cbor
from posfw.keys.software import SoftwareElement
from posfw.uplink.messages import Field, Message, MessageType, from_names, to_names
from posfw.uplink.session import open_card, open_request, protect_request, seal_card
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import AuthenticityError, CodecError, InputError, MisuseError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind

TERMINAL, MERCHANT = "T0000001", "898310058120001"
KEY_ID = b"KEYID001"


def element() -> SoftwareElement:
    return SoftwareElement(bytes(range(32)), KEY_ID, bytes(32))


def find(key_id: bytes) -> SoftwareElement:
    if key_id != KEY_ID:
        raise AuthenticityError("An unknown terminal.")
    return element()


@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_one_error(data: bytes) -> None:
    for read in (Message.decode, lambda each: open_request(each, find)):
        with pytest.raises(InputError):
            read(data)


@given(st.data())
def test_a_changed_bit_is_always_refused(data: st.DataObject) -> None:
    echo = Message(MessageType.ECHO, TERMINAL, MERCHANT)
    good = bytearray(protect_request(echo, element(), 1).data)
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


def test_unknown_optional_fields_are_kept_and_known_ones_unharmed() -> None:
    sent = Message(
        MessageType.ECHO, TERMINAL, MERCHANT, optional={128: "new", 65_535: [1, {"a": None}]}
    )
    back = Message.decode(sent.encode())
    assert back == sent
    assert Message.decode(back.encode()).optional == sent.optional


@pytest.mark.parametrize("optional", [{127: 1}, {65_536: 1}, {"k": 1}, {128: 1.5}])
def test_what_is_no_optional_field_is_refused(optional: dict[Any, Any]) -> None:
    with pytest.raises(MisuseError):
        Message(MessageType.ECHO, TERMINAL, MERCHANT, optional=optional).encode()


def test_optional_fields_are_bounded() -> None:
    many = dict.fromkeys(range(128, 300), 1)
    with pytest.raises(MisuseError):
        Message(MessageType.ECHO, TERMINAL, MERCHANT, optional=many).encode()


def test_details_deeper_than_a_decoder_goes_are_not_sent() -> None:
    deep: Any = 1
    for _ in range(7):
        deep = [deep]
    with pytest.raises(MisuseError):
        Message(
            MessageType.VITALS, TERMINAL, MERCHANT, fields={Field.DETAILS: {"d": deep}}
        ).encode()
    fits = Message(MessageType.VITALS, TERMINAL, MERCHANT, fields={Field.DETAILS: {"d": deep[0]}})
    assert Message.decode(fits.encode()) == fits


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
