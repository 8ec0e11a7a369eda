"""A scanner's lines: identifiers, terminators, goods numbers; cut anywhere, lossy, among noise."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean  # an independent check digit

from posfw.card.codes import BAD_SCAN, HALF_LINE, NOISE
from posfw.card.scanner import (
    MAX_LINE_BYTES,
    Kind,
    Scan,
    ScanParser,
    encode_scan,
    gtin_ok,
    parse_scan,
)

GTIN = Scan(Kind.GTIN, "6901234567892")
STREAM = b"6901234567892\r]E06901234567892\r\n\x02]Q1" + "你好".encode() + b"\x03\r"
STREAM += b"]C10106901234567892\n"
SCANS: list[Scan | str] = [
    GTIN,
    GTIN,
    Scan(Kind.QR, "你好"),
    Scan(Kind.GS1_128, "0106901234567892"),
]


def test_every_terminator_and_identifier_is_read() -> None:
    assert ScanParser().feed(STREAM) == SCANS


@pytest.mark.parametrize(
    ("aim", "text", "gtin"),
    [
        ("]E0", "6901234567892", "6901234567892"),
        ("]E4", "96385074", "96385074"),
        ("", "4006381333931", "4006381333931"),
        ("]C1", "010690123456789210ABC", "06901234567892"),
        ("]e0", "0106901234567892", "06901234567892"),
        ("]C1", "0106901234567893", ""),  # wrong check digit
        ("]C1", "10ABC", ""),
        ("]Q1", "6901234567892", ""),  # a payment code may be all digits: never goods
        ("]X0", "6901234567892", ""),
    ],
)
def test_goods_numbers_come_from_goods_codes_only(aim: str, text: str, gtin: str) -> None:
    [scan] = ScanParser().feed(encode_scan(text, aim=aim))
    assert isinstance(scan, Scan)
    assert scan.gtin == gtin


@given(st.from_regex(r"[0-9]{13}", fullmatch=True))
def test_check_digits_are_those_of_another_program(digits: str) -> None:
    assert gtin_ok(digits) == ean.is_valid(digits)


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_cuts_anywhere_change_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    parser = ScanParser()
    assert [s for a, b in pairwise(places) for s in parser.feed(STREAM[a:b])] == SCANS


@pytest.mark.parametrize("lost", range(13))
def test_a_lost_digit_is_no_goods_number(lost: int) -> None:
    text = "6901234567892"
    parser = ScanParser()
    found = parser.feed(encode_scan(text[:lost] + text[lost + 1 :], aim="]E0") + STREAM)
    assert found == [BAD_SCAN, *SCANS]


@pytest.mark.parametrize("line", [b"]E06901234567893\r", b"\xff\xfe\r", b"]E0\r"])
def test_what_cannot_be_used_is_one_code(line: bytes) -> None:
    assert ScanParser().feed(line) == [BAD_SCAN]


def test_two_equal_scans_are_two() -> None:
    assert ScanParser().feed(b"6901234567892\r6901234567892\r") == [GTIN, GTIN]


def test_a_half_line_is_dropped_and_the_next_one_read() -> None:
    parser = ScanParser()
    assert parser.feed(b"69012") == []
    assert parser.pending
    assert parser.expire() == [HALF_LINE]
    assert parser.expire() == []
    assert parser.feed(b"6901234567892\r") == [GTIN]


def test_ten_megabytes_without_an_end_are_one_outcome_and_no_memory() -> None:
    parser = ScanParser()
    noise = random.Random(1).randbytes(65536).replace(b"\r", b"x").replace(b"\n", b"x")
    assert [o for _ in range(160) for o in parser.feed(noise)] == [NOISE]
    assert len(parser._line) == 0
    assert parser.feed(b"\r6901234567892\r") == [GTIN]


@given(st.lists(st.binary(max_size=700), max_size=8))
def test_any_bytes_give_scans_or_codes_and_never_grow(pieces: list[bytes]) -> None:
    parser = ScanParser()
    for piece in pieces:
        for found in parser.feed(piece):
            assert isinstance(found, Scan) or found in {BAD_SCAN, NOISE}
        assert len(parser._line) <= MAX_LINE_BYTES


def test_a_code_that_may_pay_is_in_no_repr() -> None:
    assert "134567890" not in repr(parse_scan(b"]Q1134567890123456789"))
