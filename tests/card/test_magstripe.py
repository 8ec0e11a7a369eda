"""The stripe reader's line."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.card.codes import BAD_TRACK, HALF_LINE, NOISE, UNUSABLE
from posfw.card.magstripe import MAX_LINE_BYTES, LineParser, encode_line
from posfw.values.card import CardRead

PAN = "4111111111111111"
TRACK1, TRACK2 = f"B{PAN}^TEST/CARD^3012101", f"{PAN}=3012101123"
LINE = encode_line(track1=TRACK1, track2=TRACK2)


def test_a_whole_line_is_a_card() -> None:
    [card] = LineParser().feed(LINE)
    assert isinstance(card, CardRead)
    assert card.number.reveal() == PAN
    assert card.track2.reveal() == TRACK2.encode()
    assert card.holder == "TEST/CARD"


@given(st.lists(st.integers(0, len(LINE)), max_size=20))
def test_cuts_anywhere_change_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(LINE)]
    parser = LineParser()
    out = [o for a, b in pairwise(places) for o in parser.feed(LINE[a:b])]
    assert out == LineParser().feed(LINE)


@pytest.mark.parametrize("framed", [b"\x02" + LINE, b"\x1b" + LINE[:-1] + b"\x03\r", LINE + b"\n"])
def test_framing_is_optional(framed: bytes) -> None:
    assert LineParser().feed(framed) == LineParser().feed(LINE)


@pytest.mark.parametrize("third", ["+", ";"])
def test_track_3_may_follow(third: str) -> None:
    line = LINE[:-1] + f"{third}99{PAN}=1?\r".encode()
    assert LineParser().feed(line) == LineParser().feed(LINE)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"%E?;E?\r", BAD_TRACK),
        (f"%{TRACK1}?;E?\r".encode(), BAD_TRACK),
        (b";123?\r", UNUSABLE),
        (f"%B4012888888881881^A/B^3012101?;{TRACK2}?\r".encode(), UNUSABLE),
        (b"hello\r", NOISE),
        (b"\xff\xfe\r", NOISE),
    ],
)
def test_what_is_no_card_has_its_code(line: bytes, code: str) -> None:
    assert LineParser().feed(line) == [code]


def test_the_card_sensor_says_nothing() -> None:
    assert LineParser().feed(b"1\r0\r\r") == []


def test_a_half_line_is_dropped_and_the_next_one_read() -> None:
    parser = LineParser()
    assert parser.feed(LINE[:20]) == []
    assert parser.expire() == [HALF_LINE]
    assert len(parser.feed(LINE)) == 1


def test_ten_megabytes_without_an_end_are_one_outcome_and_no_memory() -> None:
    parser = LineParser()
    noise = random.Random(1).randbytes(65536).replace(b"\r", b"x").replace(b"\n", b"x")
    outcomes = [outcome for _ in range(160) for outcome in parser.feed(noise)]
    assert outcomes == [NOISE]
    assert len(parser._line) == 0
    assert parser.feed(b"\r" + LINE) == LineParser().feed(LINE)


@given(st.lists(st.binary(max_size=700), max_size=8))
def test_any_bytes_give_outcomes_and_never_grow(chunks: list[bytes]) -> None:
    parser = LineParser()
    for chunk in chunks:
        for outcome in parser.feed(chunk):
            assert isinstance(outcome, CardRead) or outcome.startswith("CRD-")
        assert len(parser._line) <= MAX_LINE_BYTES


def test_no_number_in_any_repr() -> None:
    parser = LineParser()
    assert PAN not in repr(parser.feed(LINE))
    parser.feed(LINE[:30])
    assert PAN not in repr(parser)
