from __future__ import annotations

import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.values.card import CardNumber, CardRead, EntryMode, Secret, luhn_ok, mask
from posfw.values.errors import CardDataError

PAN = "6212345678901232"


def test_shown_are_first_six_and_last_four() -> None:
    assert CardNumber(PAN).masked == "621234******1232"


def test_a_short_number_is_masked_wholly() -> None:
    assert mask("1234567890123") == "*" * 13


@given(st.text(alphabet="0123456789", min_size=8, max_size=19))
def test_no_form_of_a_card_shows_its_middle(digits: str) -> None:
    card = CardRead(CardNumber(digits), EntryMode.SWIPED, track2=Secret(digits.encode()))
    shown = f"{card!r} {card.number} {card.number!r:>40} {card.track2} {card}"
    assert digits not in shown
    hidden = shown.replace(mask(digits), "")
    assert len(digits) < 8 or digits[6:-4] == "" or digits not in hidden


def test_a_secret_in_a_traceback_is_not_shown() -> None:
    error = CardDataError(f"{CardNumber(PAN)} {Secret(PAN.encode())}")
    assert PAN not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("value", [CardNumber(PAN), Secret(b"track")])
def test_secrets_do_not_leave_the_process_by_pickle(value: object) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(value)


@pytest.mark.parametrize(
    "digits", ["", "1234567", "1" * 20, "62123456789O1232", "６212345678901232"]
)
def test_what_is_no_card_number_is_refused_without_showing_it(digits: str) -> None:
    with pytest.raises(CardDataError) as caught:
        CardNumber(digits)
    assert not digits or digits not in str(caught.value)


def test_luhn_knows_published_numbers() -> None:
    assert luhn_ok("4111111111111111")
    assert luhn_ok("5555555555554444")
    assert not luhn_ok("4111111111111112")


def test_entry_letters_follow_the_receipt_rule() -> None:
    assert "".join(mode.letter for mode in EntryMode) == "MSQICF"


def test_a_chip_is_told_by_the_service_code() -> None:
    number = CardNumber(PAN)
    assert CardRead(number, EntryMode.SWIPED, service_code="201").has_chip
    assert not CardRead(number, EntryMode.SWIPED, service_code="101").has_chip
    assert not CardRead(number, EntryMode.KEYED).has_chip
