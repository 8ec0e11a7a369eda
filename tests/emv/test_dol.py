"""Data object lists: filling, cutting, padding (Book 3, 5.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.emv import dol
from posfw.values.errors import CardDataError

VALUES = {0x9F02: bytes.fromhex("000000001250"), 0x5A: bytes.fromhex("6212"), 0x9F1C: b"TERM"}


def build(text: str) -> str:
    return dol.build(bytes.fromhex(text), lambda tag: VALUES.get(tag, b"")).hex().upper()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("9F0206", "000000001250"),
        ("9F0203", "001250"),  # n: cut on the left
        ("9F0208", "0000000000001250"),  # n: zeros on the left
        ("5A04", "6212FFFF"),  # cn: F on the right
        ("5A01", "62"),  # cn: cut on the right
        ("9F1C06", "5445524D0000"),  # others: zeros on the right
        ("9F1C02", "5445"),
        ("9F7903", "000000"),  # unknown
        ("9F02069F7901", "00000000125000"),
        ("9F020095059A00", "0000000000"),
    ],
)
def test_an_object_is_fitted_by_its_format(asked: str, expected: str) -> None:
    assert build(asked) == expected


@pytest.mark.parametrize("wrong", ["9F", "9F02", "95", "9F0282", "9F02FF", "95FF95FF", "9F998081"])
def test_a_list_that_cannot_be_is_refused(wrong: str) -> None:
    with pytest.raises(CardDataError):
        dol.parse(bytes.fromhex(wrong))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list_or_one_error(data: bytes) -> None:
    try:
        built = dol.build(data, lambda _: b"")
    except CardDataError:
        return
    assert len(built) <= dol.MAX_BYTES
