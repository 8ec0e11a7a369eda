"""Published vectors of ID TECH NEO 2 and ABECS; the scanner; hostile bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.card import abecs, vivotech2
from posfw.card.scanner import Kind, gtin_ok, parse_scan
from posfw.values.errors import CodecError


@pytest.mark.parametrize(
    ("number", "sub", "data", "frame"),
    [
        (0x18, 0x01, "", "5669564F74656368320018010000B3CD"),
        (0x03, 0x02, "", "5669564F746563683200030200005B91"),
        (0x60, 0x16, "03", "5669564F746563683200601600010392ED"),
        (0x83, 0x50, "", "5669564F74656368320083500000CD7C"),
    ],
)
def test_commands_are_those_of_the_guide(number: int, sub: int, data: str, frame: str) -> None:
    assert vivotech2.command(number, sub, bytes.fromhex(data)).hex().upper() == frame


@pytest.mark.parametrize(
    ("frame", "number", "data"),
    [
        ("5669564F74656368320018000000FA83", 0x18, ""),
        ("5669564F746563683200600000003D35", 0x60, ""),
        ("5669564F74656368320083000002E1010D25", 0x83, "E101"),
    ],
)
def test_replies_are_those_of_the_guide(frame: str, number: int, data: str) -> None:
    reply = vivotech2.reply(bytes.fromhex(frame))
    assert (reply.command, reply.status, reply.data) == (number, 0, bytes.fromhex(data))


@pytest.mark.parametrize(("data", "crc"), [(b"OPN000", "775e"), (b"AAAAAAAA", "9a63")])
def test_abecs_checksums_are_the_published_ones(data: bytes, crc: str) -> None:
    assert abecs.packet(data) == b"\x16" + data + b"\x17" + bytes.fromhex(crc)


@given(st.binary(min_size=1, max_size=300))
def test_abecs_data_comes_back(data: bytes) -> None:
    assert abecs.unpack(abecs.packet(data)) == data


@given(st.binary(max_size=300))
@pytest.mark.parametrize("parse", [abecs.unpack, vivotech2.reply, parse_scan])
def test_any_bytes_give_a_value_or_the_one_error(
    parse: Callable[[bytes], object], data: bytes
) -> None:
    for prefix in (b"", vivotech2.HEADER, b"\x16"):
        try:
            parse(prefix + data)
        except CodecError:
            continue


def test_a_scan_with_and_without_aim_identifier() -> None:
    assert parse_scan(b"]E06901234567892").kind is Kind.GTIN
    assert parse_scan(b"6901234567892").kind is Kind.GTIN
    assert parse_scan(b"]Q1https://example.com").kind is Kind.QR


def test_a_wrong_check_digit_is_refused() -> None:
    assert not gtin_ok("6901234567893")
    with pytest.raises(CodecError):
        parse_scan(b"]E06901234567893")
