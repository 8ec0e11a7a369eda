from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posfw.printer.status import CODES, DIALECTS, UNKNOWN, Condition, complete, decode

OK: frozenset[Condition] = frozenset()

# hardware.md, section 6: answers of Epson and kin to DLE EOT 1–4, and their ASB blocks.
EPSON = {
    "12121212": OK,
    "16121212": OK,  # drawer pin high
    "1212121e": {Condition.NEAR_END},
    "1a32127e": {Condition.PAPER_OUT},
    "1a161212": {Condition.COVER_OPEN},
    "1a121212": {Condition.OFFLINE},
    "1a525212": {Condition.HEAD_HOT},
    "1a565212": {Condition.COVER_OPEN},  # cover opened while printing sets the same bit
    "1a521a12": {Condition.CUTTER},
    "1a523212": {Condition.FAULT},
    "1a521212": {Condition.OFFLINE},  # an error that n=3 does not name
    "10000000": OK,
    "10000300": {Condition.NEAR_END},
    "18000f00": {Condition.PAPER_OUT},
    "38000000": {Condition.COVER_OPEN},
    "18000000": {Condition.OFFLINE},
    "18400000": {Condition.HEAD_HOT},
    "38400000": {Condition.COVER_OPEN},
}
STAR = {
    "2306000000000000 00": OK,
    "2386000000000000 00": OK,
    "2306200000000000 00": {Condition.COVER_OPEN},
    "2306080000000000 00": {Condition.OFFLINE},
    "2306084000000000 00": {Condition.HEAD_HOT},
    "2306080800000000 00": {Condition.CUTTER},
    "2306082000000000 00": {Condition.FAULT},
    "2306080000080000 00": {Condition.PAPER_OUT},
    "2306000000040000 00": {Condition.NEAR_END},
    "0f06000000040 0": {Condition.NEAR_END},
}
ESC_V = {
    "00": OK,
    "04": {Condition.PAPER_OUT},
    "08": {Condition.COVER_OPEN},
    "40": {Condition.HEAD_HOT},
    "03": {Condition.NEAR_END},
    "4c": {Condition.HEAD_HOT, Condition.PAPER_OUT, Condition.COVER_OPEN},
}
TABLE = [
    *(("epson", k, v) for k, v in EPSON.items()),
    *(("esc-v", k, v) for k, v in ESC_V.items()),
    *(("star", k.replace(" ", ""), v) for k, v in STAR.items()),
]


@pytest.mark.parametrize(("dialect", "answer", "conditions"), TABLE)
def test_documented_answers_say_what_the_manuals_say(
    dialect: str, answer: str, conditions: set[Condition]
) -> None:
    status = decode(dialect, bytes.fromhex(answer))
    assert status.conditions == conditions
    assert status.ready == (conditions <= {Condition.NEAR_END})
    assert complete(dialect, bytes.fromhex(answer)) or answer[:2] in {"10", "18", "38"}


@pytest.mark.parametrize("dialect", [*DIALECTS, "none", "another"])
@pytest.mark.parametrize("answer", ["", "ff", "00ff00", "121212", "1212121212", "91", "1211"])
def test_what_is_no_answer_is_unknown_and_never_ready(dialect: str, answer: str) -> None:
    status = decode(dialect, bytes.fromhex(answer))
    assert status is UNKNOWN
    assert not status.ready
    assert status.code == "PRN-208"


def test_flow_control_and_automatic_status_between_answers_are_told_apart() -> None:
    mixed = bytes.fromhex("11 12 18400000 12 12 13 12")
    assert decode("epson", mixed).conditions == {Condition.HEAD_HOT}
    assert complete("epson", mixed)
    assert not complete("epson", mixed[:6])


def test_a_closed_cover_makes_the_recoverable_error_heat_and_an_open_one_does_not() -> None:
    assert decode("epson", bytes.fromhex("1a525212")).code == "PRN-201"
    assert decode("epson", bytes.fromhex("1a565212")).code == "PRN-203"


def test_every_condition_has_its_own_code() -> None:
    assert set(CODES) == set(Condition)
    assert len(set(CODES.values())) == len(Condition)


# The forms as regular expressions, written from the manuals and not from the decoder.
ASB = rb"[\x10\x14\x18\x1c\x30\x34\x38\x3c\x50\x54\x58\x5c\x70\x74\x78\x7c]"
ASB += rb"[\x00-\x0f\x20-\x2f\x40-\x4f\x60-\x6f]{3}"
POLL = rb"[\x12\x16\x1a\x1e\x32\x36\x3a\x3e\x52\x56\x5a\x5e\x72\x76\x7a\x7e]"
FLOW = rb"[\x11\x13]*"
FORMS = {
    "epson": re.compile(
        FLOW + rb"(?:(?:" + ASB + rb"|" + FLOW + rb")*(?:" + POLL + rb"(?:" + ASB + rb"|"
        rb"[\x11\x13])*){4}|(?:" + ASB + FLOW + rb")+)\Z"
    ),
    "esc-v": re.compile(rb"[\x00-\x0f\x40-\x4f]\Z"),
    "star": re.compile(rb"[\x0d\x0f\x21-\x2f].*\Z", re.DOTALL),
}


@pytest.mark.parametrize("dialect", list(DIALECTS))
@given(answer=st.binary(max_size=24))
@example(answer=bytes.fromhex("12121212"))
def test_garbage_never_raises_and_never_reports_ready(dialect: str, answer: bytes) -> None:
    status = decode(dialect, answer)
    if not FORMS[dialect].match(answer):
        assert status is UNKNOWN
        assert not status.ready


@pytest.mark.parametrize(
    ("dialect", "good"),
    [("epson", "12121212"), ("epson", "10000000"), ("star", "23" + "06" + 14 * "0")],
)
@given(data=st.data())
def test_a_flipped_fixed_bit_is_not_ready(dialect: str, good: str, data: st.DataObject) -> None:
    answer = bytearray.fromhex(good)
    place = data.draw(st.integers(0, len(answer) - 1))
    fixed = 0x90 if dialect == "epson" else 0x91
    fixed &= 0xFF if place or dialect == "epson" else 0x90
    bits = [
        bit
        for bit in range(8)
        if fixed >> bit & 1 and not (dialect == "star" and place == 1 and bit == 7)
    ]
    answer[place] ^= 1 << data.draw(st.sampled_from(bits))
    assert not decode(dialect, bytes(answer)).ready


def test_ten_megabytes_of_noise_are_unknown_at_once() -> None:
    assert decode("epson", b"\x12" * 1_000_000) is UNKNOWN
    assert decode("star", b"\x23" * 1_000_000) is UNKNOWN
