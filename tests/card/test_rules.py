"""Chip first, fall-back, expiry; verification by entry mode; keyed entry; back-off."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from posfw.card.codes import CARD_REFUSED, CHIP_FIRST, EXPIRED, NO_FALLBACK, NO_PIN_PAD
from posfw.card.manual import keyed
from posfw.card.rules import (
    Chip,
    EntryRefusal,
    Terms,
    Verification,
    admit,
    verification,
    verified,
)
from posfw.card.supervisor import Backoff
from posfw.card.tracks import ServiceCode
from posfw.codec.tlv import Node, encode
from posfw.values.card import CardNumber, CardRead, EntryMode, Secret
from posfw.values.errors import CardDataError
from posfw.values.money import CNY, USD, Currency, Money

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


CNY_1000 = Money(100_000)
PAD = Terms(free_limit=CNY_1000, pin_pad=True)
NO_PAD = Terms(free_limit=CNY_1000)


def chip(mode: EntryMode, results: str = "", *, signature: bool = False) -> CardRead:
    emv = encode([Node(0x9F34, bytes.fromhex(results))]) if results else b""
    number = CardNumber("6212345678901232")
    return CardRead(number=number, entry_mode=mode, emv=Secret(emv), signature=signature)


@pytest.mark.parametrize(
    ("service_code", "terms", "asked"),
    [
        ("101", PAD, Verification(signature=True)),
        ("120", PAD, Verification(pin=True, online=True)),
        ("121", PAD, Verification(signature=True, online=True)),
        ("106", PAD, Verification(pin=True, online=True)),
        ("106", NO_PAD, Verification(signature=True)),
        ("147", NO_PAD, Verification(signature=True, online=True)),
        ("105", NO_PAD, NO_PIN_PAD),
        ("100", NO_PAD, NO_PIN_PAD),
        ("103", PAD, CARD_REFUSED),
        ("104", PAD, CARD_REFUSED),
        ("", PAD, Verification(pin=True, online=True)),
        ("", NO_PAD, Verification(signature=True, online=True)),
    ],
)
def test_a_stripe_is_verified_by_its_service_code(
    service_code: str, terms: Terms, asked: Verification | str
) -> None:
    found = verification(swiped(service_code), Money(100), terms)
    assert (found.code if isinstance(found, EntryRefusal) else found) == asked


def test_a_fallback_is_always_online() -> None:
    card = replace(swiped("201"), entry_mode=EntryMode.FALLBACK)
    found = verification(card, Money(100), PAD)
    assert isinstance(found, Verification)
    assert found.online


@pytest.mark.parametrize(
    ("minor", "currency", "terms", "free"),
    [
        (100_000, CNY, PAD, True),
        (100_000, CNY, NO_PAD, True),
        (100_001, CNY, PAD, False),
        (100, USD, PAD, False),  # the limit is in the acquirer's currency
        (100, CNY, Terms(pin_pad=True), False),
    ],
)
def test_a_tap_up_to_the_limit_needs_nothing(
    minor: int, currency: Currency, terms: Terms, *, free: bool
) -> None:
    found = verification(chip(EntryMode.CONTACTLESS, "020300"), Money(minor, currency), terms)
    assert found == (Verification(free=True) if free else Verification(pin=True, online=True))


@pytest.mark.parametrize(
    ("results", "asked"),
    [
        ("020300", Verification(pin=True, online=True)),
        ("420300", Verification(pin=True, online=True)),
        ("1F0302", Verification(signature=True)),
        ("", Verification(pin=True, online=True)),
        ("02", Verification(pin=True, online=True)),
        ("010302", Verification()),  # verified by the card itself
    ],
)
def test_a_tap_above_the_limit_is_verified_by_the_cards_method(
    results: str, asked: Verification
) -> None:
    assert verification(chip(EntryMode.CONTACTLESS, results), Money(100_001), PAD) == asked


def test_a_chip_keeps_what_its_kernel_decided() -> None:
    found = verification(chip(EntryMode.CHIP, "1E0300", signature=True), Money(100), PAD)
    assert found == Verification(signature=True)
    online = verification(chip(EntryMode.CHIP, "020300"), Money(100), NO_PAD)
    assert isinstance(online, EntryRefusal)
    assert online.code == NO_PIN_PAD


def test_an_offline_approval_asks_for_no_online_pin() -> None:
    card = replace(chip(EntryMode.CHIP, "020300"), approved_offline=True)
    assert verification(card, Money(100), PAD) == Verification()


def test_a_keyed_card_is_online_and_signs() -> None:
    card = keyed("4111111111111111", "3012")
    assert verification(card, Money(100), PAD) == Verification(signature=True, online=True)


@pytest.mark.parametrize("mode", EntryMode)
def test_every_entry_mode_has_a_rule(mode: EntryMode) -> None:
    assert verification(chip(mode), Money(100_001), PAD) is not None


def test_a_pin_that_was_not_given_signs() -> None:
    card = swiped("120")
    asked = Verification(pin=True, online=True)
    assert verified(card, asked, None).signature
    with_pin = verified(card, asked, Secret(bytes(16)))
    assert (with_pin.signature, bool(with_pin.pin_block)) == (False, True)


@pytest.mark.parametrize("digits", ["", "12", "abc", "１２０", "1200"])
def test_an_unreadable_service_code_asks_for_the_most_that_can_be_done(digits: str) -> None:
    code = ServiceCode.of(digits)
    assert code.online
    assert code.pin_if_pad


def test_only_a_zero_in_the_middle_is_free_of_the_issuer() -> None:
    for digits in (f"{n:03d}" for n in range(1000)):
        code = ServiceCode.of(digits)
        assert code.online is (digits[1] != "0")
        assert not (code.pin and code.pin_if_pad)
        assert code.goods is (digits[2] not in "34")
