"""Card numbers and dates as a chip stores them."""

from __future__ import annotations

from datetime import date

import pytest

from posfw.emv.pan import day_of, digits_of, last_day
from posfw.values.errors import CardDataError


@pytest.mark.parametrize(
    ("stored", "digits"),
    [("6216261000000000018F", "6216261000000000018"), ("4761739001010119", "4761739001010119")],
)
def test_an_odd_number_ends_before_its_f(stored: str, digits: str) -> None:
    assert digits_of(bytes.fromhex(stored)) == digits


@pytest.mark.parametrize("stored", ["", "FF", "12F4", "621A"])
def test_a_number_of_something_else_is_refused(stored: str) -> None:
    with pytest.raises(CardDataError):
        digits_of(bytes.fromhex(stored))


def test_a_date_from_50_on_belongs_to_the_last_century() -> None:
    assert day_of(bytes.fromhex("491231")) == date(2049, 12, 31)
    assert day_of(bytes.fromhex("500101")) == date(1950, 1, 1)


@pytest.mark.parametrize("stored", ["301301", "300230", "3A0101", "000000", "3012"])
def test_a_date_that_does_not_exist_is_refused(stored: str) -> None:
    with pytest.raises(CardDataError):
        day_of(bytes.fromhex(stored))


def test_a_certificate_is_good_to_the_last_day_of_its_month() -> None:
    assert last_day(bytes.fromhex("0228")) == date(2028, 2, 29)
    assert last_day(bytes.fromhex("1249")) == date(2049, 12, 31)
    assert last_day(bytes.fromhex("1330")) is None
    assert last_day(bytes.fromhex("0A30")) is None
