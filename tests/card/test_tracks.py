"""Tracks 1, 2 and 3, expiry."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.card.tracks import expired, expiry_ok, parse_track1, parse_track2, parse_track3
from posfw.values.errors import CardDataError


def test_track_2_gives_number_expiry_and_service_code() -> None:
    track = parse_track2("6212345678900000003=301222012345678")
    assert track.number.reveal() == "6212345678900000003"
    assert (track.expiry, track.service_code) == ("3012", "220")


def test_track_2_takes_the_separator_of_emv_tag_57() -> None:
    assert parse_track2("4111111111111111D3012101").expiry == "3012"


def test_separators_in_place_of_fields_mean_absent() -> None:
    track = parse_track2("4111111111111111===123")
    assert (track.expiry, track.service_code) == ("", "")


def test_track_1_gives_the_holder() -> None:
    track = parse_track1("B4111111111111111^DOE/JANE ^3012101000")
    assert track.holder == "DOE/JANE"
    assert track.expiry == "3012"


def test_track_3_gives_the_number() -> None:
    assert parse_track3("996212345678901232=1561560").number.reveal() == "6212345678901232"


def test_a_failed_luhn_digit_is_no_error() -> None:
    assert not parse_track2("4111111111111112=3012101").number.luhn_ok


@pytest.mark.parametrize(
    "text", ["", "E", "4111111111111111=3013101", "4" * 20 + "=3012101", "4111111111111111=30"]
)
def test_what_is_no_track_2_is_refused_without_its_digits(text: str) -> None:
    with pytest.raises(CardDataError) as error:
        parse_track2(text)
    assert "4111111111111111" not in str(error.value)


def test_a_card_is_good_to_the_last_day_of_its_month() -> None:
    assert not expired("3012", date(2030, 12, 31))
    assert expired("3012", date(2031, 1, 1))


def test_two_digit_years_are_the_nearest_ones() -> None:
    assert not expired("0101", date(2099, 12, 1))
    assert expired("9912", date(2026, 1, 1))


def test_a_month_of_thirteen_is_no_expiry() -> None:
    assert not expiry_ok("3013")


@given(st.text(max_size=120))
def test_any_text_gives_a_track_or_the_one_error(text: str) -> None:
    for parse in (parse_track1, parse_track2, parse_track3):
        try:
            parse(text)
        except CardDataError:
            continue
