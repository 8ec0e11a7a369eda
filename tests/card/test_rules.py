"""Chip first, fall-back, expiry; keyed entry; back-off."""

from __future__ import annotations

from datetime import date

import pytest

from posfw.card.codes import CHIP_FIRST, EXPIRED, NO_FALLBACK
from posfw.card.manual import keyed
from posfw.card.rules import Chip, EntryRefusal, admit
from posfw.card.supervisor import Backoff
from posfw.values.card import CardNumber, CardRead, EntryMode
from posfw.values.errors import CardDataError

TODAY = date(2026, 11, 24)


def swiped(service_code: str, expiry: str = "3012") -> CardRead:
    number = CardNumber("6212345678901232")
    return CardRead(
        number=number, entry_mode=EntryMode.SWIPED, expiry=expiry, service_code=service_code
    )


@pytest.mark.parametrize("service_code", ["201", "220", "601"])
def test_a_chip_card_must_be_inserted_first(service_code: str) -> None:
    refusal = admit(swiped(service_code), today=TODAY, chip=Chip.NOT_TRIED)
    assert isinstance(refusal, EntryRefusal)
    assert (refusal.code, refusal.zh) == (CHIP_FIRST, "此卡为芯片卡,请插卡")


def test_a_silent_chip_allows_the_stripe_as_fallback() -> None:
    card = admit(swiped("201"), today=TODAY, chip=Chip.NO_ANSWER)
    assert isinstance(card, CardRead)
    assert card.entry_mode is EntryMode.FALLBACK


def test_a_chip_that_refused_allows_no_stripe() -> None:
    refusal = admit(swiped("201"), today=TODAY, chip=Chip.REFUSED)
    assert isinstance(refusal, EntryRefusal)
    assert refusal.code == NO_FALLBACK


def test_a_stripe_card_is_taken_as_it_is() -> None:
    card = swiped("120")
    assert admit(card, today=TODAY, chip=Chip.NOT_TRIED) is card


def test_an_expired_card_is_refused() -> None:
    refusal = admit(swiped("120", "2610"), today=TODAY, chip=Chip.NOT_TRIED)
    assert isinstance(refusal, EntryRefusal)
    assert refusal.code == EXPIRED


def test_keyed_digits_may_be_grouped() -> None:
    card = keyed("4111 1111-1111 1111", "3012")
    assert card.number == CardNumber("4111111111111111")
    assert card.entry_mode is EntryMode.KEYED


@pytest.mark.parametrize(
    ("number", "expiry"), [("4111", "3012"), ("4111111111111111", "3000"), ("x" * 16, "3012")]
)
def test_what_cannot_be_keyed_is_refused(number: str, expiry: str) -> None:
    with pytest.raises(CardDataError):
        keyed(number, expiry)


def test_waits_double_to_the_cap_and_success_resets_them() -> None:
    backoff = Backoff(base_s=1.0, cap_s=5.0)
    waits = []
    for _ in range(5):
        backoff = backoff.failed()
        waits.append(backoff.wait_s)
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert backoff.worked().wait_s == 0.0
    assert Backoff(failures=10**6).wait_s == 5.0
