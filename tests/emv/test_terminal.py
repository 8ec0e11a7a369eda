"""The terminal's own objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from posfw.emv.effects import Request, Service
from posfw.emv.parameters import AidParameters, EmvParameters
from posfw.emv.tags import CARD, Tag
from posfw.emv.terminal import terminal_objects
from posfw.values.errors import MisuseError
from posfw.values.money import CURRENCIES, Money

MADE = EmvParameters(
    (AidParameters(bytes(5), 0, 0, 0),), terminal="12345678", merchant="8" * 15, category=5411
)


def test_numbers_and_dates_are_packed_as_the_books_have_them(
    make_request: Callable[..., Request],
) -> None:
    found = terminal_objects(MADE, make_request(123456, cashback=Money(50), counter=42))
    expected: dict[int, str] = {
        Tag.AMOUNT: "000000123456",
        Tag.AMOUNT_OTHER: "000000000050",
        Tag.AMOUNT_BINARY: "0001E240",
        Tag.TRANSACTION_DATE: "261124",
        Tag.TRANSACTION_TIME: "103000",
        Tag.TRANSACTION_CURRENCY: "0156",
        Tag.CURRENCY_EXPONENT: "02",
        Tag.TERMINAL_COUNTRY: "0156",
        Tag.TERMINAL_TYPE: "22",
        Tag.TERMINAL_CAPABILITIES: "E0F8C8",
        Tag.SEQUENCE_COUNTER: "00000042",
        Tag.MERCHANT_CATEGORY: "5411",
        Tag.ENTRY_MODE: "05",
        Tag.CVM_RESULTS: "3F0000",
    }
    assert {tag: found[tag].hex().upper() for tag in expected} == expected


@pytest.mark.parametrize(
    ("service", "code"),
    [
        (Service.GOODS, b"\x00"),
        (Service.CASH, b"\x01"),
        (Service.CASHBACK, b"\x09"),
        (Service.REFUND, b"\x20"),
    ],
)
def test_transaction_types(
    make_request: Callable[..., Request], service: Service, code: bytes
) -> None:
    made = terminal_objects(MADE, make_request(service=service))
    assert made[Tag.TRANSACTION_TYPE] == code


def test_a_currency_without_minor_units_says_so(make_request: Callable[..., Request]) -> None:
    request = Request(Money(500, CURRENCIES[392]), make_request().at, b"1234", 1)
    found = terminal_objects(MADE, request)
    assert (found[Tag.TRANSACTION_CURRENCY], found[Tag.CURRENCY_EXPONENT]) == (
        bytes.fromhex("0392"),
        b"\x00",
    )


def test_no_object_of_the_terminal_may_come_from_a_card(
    make_request: Callable[..., Request],
) -> None:
    assert not terminal_objects(MADE, make_request()).keys() & CARD.keys()


def test_cashback_above_the_amount_is_a_misuse(make_request: Callable[..., Any]) -> None:
    with pytest.raises(MisuseError):
        terminal_objects(MADE, make_request(100, cashback=Money(101)))
