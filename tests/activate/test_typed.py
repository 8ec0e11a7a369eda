from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.activate.bundle import Answer, Expected, open_answer, seal_answer
from posfw.activate.typed import ALPHABET, GROUPS, assembled, spoken
from posfw.crypto.sign1 import public_key
from posfw.values.errors import AuthenticityError, InputError, MisuseError
from tests.app.fakes import signer

BANK, OTHER = signer(b"b"), signer(b"o")
KEY = public_key(BANK.public)
ANSWER = Answer(
    b"\x11" * 32, "12345678", "898440350110001", "PF1", "20260302", 123_456, {"version": 7}
)
EXPECTED = Expected(b"\x11" * 32, "12345678", "898440350110001", "PF1", date(2026, 3, 2), 123_456)
FILE = seal_answer(ANSWER, BANK, b"bank")
TEXT = spoken(FILE, KEY)


def test_what_is_typed_makes_the_very_file_again() -> None:
    assert len(TEXT.split()) == GROUPS
    assert assembled(TEXT, EXPECTED, KEY) == FILE
    assert assembled(TEXT.lower().replace(" ", "-"), EXPECTED, KEY) == FILE
    assert assembled(TEXT.replace("0", "o").replace("1", "l"), EXPECTED, KEY) == FILE


@given(st.integers(-(2**39), 2**39 - 1), st.integers(0, 65_535))
def test_every_amount_and_version_comes_through(minor: int, version: int) -> None:
    told = replace(ANSWER, yesterday_minor=minor, parameters={"version": version})
    file = seal_answer(told, BANK, b"bank")
    assert open_answer(assembled(spoken(file, KEY), EXPECTED, KEY), KEY) == told


@given(st.integers(0, 5 * GROUPS - 1), st.sampled_from(ALPHABET))
def test_a_single_mistake_is_found_and_its_group_is_named(place: int, letter: str) -> None:
    letters = TEXT.replace(" ", "")
    changed = letters[:place] + letter + letters[place + 1 :]
    if changed == letters:
        assert assembled(changed, EXPECTED, KEY) == FILE
        return
    with pytest.raises(InputError, match=rf"groups {place // 5 + 1} are") as wrong:
        assembled(changed, EXPECTED, KEY)
    assert wrong.value.stable_code == "ACT-226"


@given(st.integers(0, GROUPS - 2))
def test_swapped_groups_are_found(first: int) -> None:
    groups = TEXT.split()
    groups[first], groups[first + 1] = groups[first + 1], groups[first]
    with pytest.raises(InputError):
        assembled(" ".join(groups), EXPECTED, KEY)


@pytest.mark.parametrize("text", ["", "ABCD", TEXT[:-6], TEXT + " 00007", "!" * 155])
def test_another_length_or_letter_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        assembled(text, EXPECTED, KEY)


@pytest.mark.parametrize(
    "changes", [{"terminal": "87654321"}, {"serial": "PF2"}, {"request": b"\x12" * 32}]
)
def test_an_answer_to_another_terminal_or_file_does_not_verify(changes: dict[str, object]) -> None:
    file = assembled(TEXT, replace(EXPECTED, **changes), KEY)  # type: ignore[arg-type]  # one of its fields
    with pytest.raises(AuthenticityError):
        open_answer(file, KEY)


def test_another_banks_answer_has_no_typed_form_here_and_neither_has_a_longer_one() -> None:
    with pytest.raises(AuthenticityError):
        spoken(seal_answer(ANSWER, OTHER, b"bank"), KEY)
    for changes in ({"kcv": "a1"}, {"version": "7"}):
        longer = replace(ANSWER, parameters=changes)
        with pytest.raises(MisuseError):
            spoken(seal_answer(longer, BANK, b"bank"), KEY)
