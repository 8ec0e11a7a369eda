from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.values.errors import InputError, MisuseError
from posfw.values.money import CNY, CURRENCIES, MAX_MINOR, USD, Money, parse_amount

JPY = CURRENCIES[392]


@given(st.integers(0, MAX_MINOR), st.sampled_from([CNY, JPY]))
def test_what_is_shown_is_read_back(minor: int, currency: object) -> None:
    assert currency in (CNY, JPY)
    chosen = CNY if currency == CNY else JPY
    assert parse_amount(str(Money(minor, chosen)), chosen) == Money(minor, chosen)


@pytest.mark.parametrize(
    "text", ["", "-1", "1.234", "1,5", "1e3", "٣", "1" * 13, ".5", "12.", "nan"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_amount(text)


def test_a_currency_without_minor_units_takes_no_decimals() -> None:
    assert parse_amount("12", JPY).minor == 12
    with pytest.raises(InputError):
        parse_amount("12.5", JPY)


def test_two_currencies_never_mix() -> None:
    with pytest.raises(MisuseError):
        Money(1, CNY) + Money(1, USD)


def test_an_amount_is_never_negative_and_never_beyond_twelve_digits() -> None:
    with pytest.raises(MisuseError):
        Money(1) - Money(2)
    with pytest.raises(MisuseError):
        Money(MAX_MINOR) + Money(1)
