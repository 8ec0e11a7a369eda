from __future__ import annotations

import pytest

from posfw.values.errors import MisuseError
from posfw.values.identity import Key, MerchantId, TerminalId, following, parse_key


def test_numbers_wrap_to_one_and_never_to_zero() -> None:
    assert following(1) == 2
    assert following(999_999) == 1


def test_a_key_is_read_back() -> None:
    key = Key("12345678", 3, 42)
    assert str(key) == "12345678-000003-000042"
    assert parse_key(str(key)) == key


@pytest.mark.parametrize("text", ["", "12345678-1", "12345678-0-1", "12345678-1-1000000", "x-1-1"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(MisuseError):
        parse_key(text)


def test_terminal_and_merchant_numbers_have_their_lengths() -> None:
    assert str(TerminalId("A2345678")) == "A2345678"
    assert str(MerchantId("898110154110001")) == "898110154110001"
    with pytest.raises(MisuseError):
        TerminalId("a2345678")
    with pytest.raises(MisuseError):
        MerchantId("1")
