"""The bank opens PINs with the pads' base key and answers 55 to a wrong one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from psec import pinblock  # an independent reading of ISO 9564-1

from posfw.crypto.dukpt import initial_key
from posfw.keys.software import SoftwareElement
from posfw.sim.acquirer import Acquirer
from posfw.sim.cards import TEST_PIN
from posfw.uplink.messages import Field
from posfw.uplink.requests import authorise
from posfw.uplink.session import open_answer, protect_request, seal_card
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import MisuseError
from posfw.values.identity import Key
from posfw.values.money import Money
from posfw.values.transaction import Begun, Intent, Kind

BASE_KEY, PIN_BASE_KEY = bytes(range(32)), bytes(range(32, 64))
KEY_ID, PAD_ID = b"TERMKEY1", b"PADSKEY1"
ELEMENT = SoftwareElement(initial_key(BASE_KEY, KEY_ID), KEY_ID, bytes(32))
PAD = SoftwareElement(initial_key(PIN_BASE_KEY, PAD_ID), PAD_ID, bytes(32))
OWN = SoftwareElement(initial_key(PIN_BASE_KEY, KEY_ID), KEY_ID, bytes(32))
NUMBER = "6212345678901232"


def block(pin: str, *, key: bytes, serial: bytes = b"", number: str = NUMBER) -> Secret:
    return Secret(pinblock.encipher_pinblock_iso_4(key, pin, number) + serial)


def code(acquirer: Acquirer, pin: Secret, stan: int, counter: int) -> str:
    """Return the answer to a sale with this PIN block; `counter` is the message's."""
    number = CardNumber(NUMBER)
    card = CardRead(number, EntryMode.SWIPED, "3012", "120", pin_block=pin)
    intent = Intent(Kind.SALE, Money(1000), EntryMode.SWIPED, number.masked, b"t" * 16, "01",
                    datetime(2026, 3, 2, 9, 30, tzinfo=UTC))  # fmt: skip
    begun = Begun(Key("12345678", 1, stan), counter, intent)
    sealed = seal_card(card, begun, ELEMENT, bytes(12))
    made = protect_request(authorise(begun, "8" * 15, card, sealed), ELEMENT, counter)
    (answer,) = acquirer.answers(made.data)
    return str(open_answer(answer, element=ELEMENT, request=made).fields[Field.RESPONSE_CODE])


def test_a_pin_counts_under_the_pads_own_key_and_for_its_own_card() -> None:
    acquirer = Acquirer(BASE_KEY, pin_base_key=PIN_BASE_KEY)
    key, serial = PAD.pin_key(5).key, PAD_ID + (5).to_bytes(4, "big")
    cases = (
        (block(TEST_PIN, key=key, serial=serial), "00"),
        (block("654321", key=key, serial=serial), "55"),
        (block(TEST_PIN, key=key, serial=PAD_ID + (6).to_bytes(4, "big")), "55"),
        (block(TEST_PIN, key=key, serial=serial, number="4111111111111111"), "55"),
        (block(TEST_PIN, key=OWN.pin_key(5).key), "00"),  # alone: the message's counter
        (block(TEST_PIN, key=OWN.pin_key(5).key), "55"),
        (Secret(b""), "00"),
    )
    found = [code(acquirer, pin, stan, stan) for stan, (pin, _) in enumerate(cases, start=1)]
    assert found == [expected for _, expected in cases]
    assert acquirer.pins_seen == {"right": 2, "wrong": 4}
    assert [row[0] for row in acquirer.bank.records("12345678", 1)] == [1, 5, 7]


def test_a_card_may_have_a_pin_of_its_own() -> None:
    acquirer = Acquirer(BASE_KEY, pin_base_key=PIN_BASE_KEY, pins={NUMBER: "4711"})
    key, serial = PAD.pin_key(1).key, PAD_ID + (1).to_bytes(4, "big")
    assert code(acquirer, block(TEST_PIN, key=key, serial=serial), 1, 1) == "55"
    assert code(acquirer, block("4711", key=key, serial=serial), 2, 2) == "00"


@pytest.mark.parametrize("size", [1, 15, 17, 27, 29])
def test_a_block_of_another_size_is_never_sent(size: int) -> None:
    with pytest.raises(MisuseError):
        code(Acquirer(BASE_KEY), Secret(b"p" * size), 1, 1)
