"""AFL bounds, mandatory data, duplicates and contradictions (Book 3, 10.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.emv.codes import Code
from posfw.emv.effects import Verdict
from posfw.emv.records import MAX_RECORDS, Place, places
from posfw.sim.chip.profile import UNIONPAY
from posfw.values.errors import CardDataError


def test_the_signed_records_are_the_first_of_a_file() -> None:
    assert places(bytes.fromhex("0801010010010201")) == (
        Place(1, 1, signed=False),
        Place(2, 1, signed=True),
        Place(2, 2, signed=False),
    )


@pytest.mark.parametrize(
    "afl",
    [
        "",
        "080101",
        "00010100",  # SFI 0
        "F8010100",  # SFI 31
        "09010100",  # low bits set
        "08000100",  # record 0
        "08020100",  # last before first
        "08010102",  # more signed than there are
        "0801FF00",  # far too many
        "0801010008010100",  # twice the same
    ],
)
def test_an_afl_that_cannot_be_ends_it(afl: str) -> None:
    with pytest.raises(CardDataError):
        places(bytes.fromhex(afl))


@given(st.binary(max_size=252))
def test_any_afl_is_bounded_or_refused(afl: bytes) -> None:
    try:
        found = places(afl)
    except CardDataError:
        return
    assert 0 < len(found) <= MAX_RECORDS


@pytest.mark.parametrize("tag", [0x5A, 0x5F24, 0x8C, 0x8D])
def test_a_card_without_mandatory_data_is_ended(sale: Callable[..., Any], tag: int) -> None:
    made = sale(replace(UNIONPAY, without=frozenset({tag})))
    assert (made.finished.verdict, made.finished.code) == (Verdict.TERMINATED, Code.BAD_DATA)


@pytest.mark.parametrize(
    "extra",
    [
        {0x57: bytes.fromhex("6216261000000000018D30122200")},  # a second track 2
        {0x82: bytes.fromhex("7C00")},  # a second AIP
        {0x5F20: b"OTHER/NAME"},
    ],
)
def test_an_object_in_two_records_ends_it(
    sale: Callable[..., Any], extra: dict[int, bytes]
) -> None:
    assert sale(replace(UNIONPAY, extra=extra)).finished.code is Code.BAD_DATA


def test_two_different_numbers_on_one_card_end_it(sale: Callable[..., Any]) -> None:
    other = bytes.fromhex("6212345678901232D301222000000F")
    made = sale(
        replace(UNIONPAY, without=frozenset({0x9F1F}), extra={0x5A: other[:8]}, method="none")
    )
    assert made.finished.code is Code.BAD_DATA


@pytest.mark.parametrize("date", ["301301", "3A1231"])
def test_an_expiry_that_does_not_exist_ends_it(sale: Callable[..., Any], date: str) -> None:
    made = sale(replace(UNIONPAY, extra={0x5F24: bytes.fromhex(date)}))
    assert made.finished.code is Code.BAD_DATA


def test_19_digits_arrive_as_19_digits(sale: Callable[..., Any]) -> None:
    card = sale(UNIONPAY).finished.card
    assert card.number.reveal() == "6216261000000000018"
    assert card.track2.reveal().startswith(b"6216261000000000018=3012220")
    assert (card.expiry, card.service_code, card.sequence) == ("3012", "220", 1)
