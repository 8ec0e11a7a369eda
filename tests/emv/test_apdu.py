"""Commands' bytes against the Books' tables, and the rounds of T=0."""

from __future__ import annotations

import pytest

from posfw.emv import apdu
from posfw.emv.apdu import Command, Exchange, Response
from posfw.values.errors import CardDataError


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (apdu.select(b"1PAY.SYS.DDF01"), "00A404000E315041592E5359532E444446303100"),
        (apdu.select(bytes.fromhex("A0000000031010"), next_occurrence=True),
         "00A4040207A000000003101000"),
        (apdu.read_record(1, 2), "00B2020C00"),
        (apdu.get_processing_options(b""), "80A8000002830000"),
        (apdu.get_processing_options(bytes(130)), "80A800008583" + "8182" + "00" * 130 + "00"),
        (apdu.get_data(0x9F17), "80CA9F1700"),
        (apdu.internal_authenticate(b"\x01\x02\x03\x04"), "00880000040102030400"),
        (apdu.get_challenge(), "0084000000"),
        (apdu.verify(bytes.fromhex("241234FFFFFFFFFF"), enciphered=False),
         "0020008008241234FFFFFFFFFF"),
        (apdu.external_authenticate(bytes(8)), "0082000008" + "00" * 8),
        (apdu.generate_ac(0x80, b"\xaa", cda=False), "80AE800001AA00"),
        (apdu.generate_ac(0x40, b"\xaa", cda=True), "80AE500001AA00"),
    ],
)  # fmt: skip
def test_a_command_has_the_bytes_of_the_books(command: Command, expected: str) -> None:
    assert command.to_bytes().hex().upper() == expected


def test_under_t_0_a_command_with_data_carries_no_le() -> None:
    assert apdu.select(b"AB").to_bytes(0) == apdu.select(b"AB").to_bytes(1)[:-1]
    assert apdu.read_record(1, 1).to_bytes(0) == apdu.read_record(1, 1).to_bytes(1)


def test_a_script_command_goes_out_as_it_came() -> None:
    raw = bytes.fromhex("8424000008") + bytes(8)
    assert apdu.script_command(raw).to_bytes(0) == apdu.script_command(raw).to_bytes(1) == raw
    for wrong in (b"\x84\x24\x00", bytes(262)):
        with pytest.raises(CardDataError):
            apdu.script_command(wrong)


def test_61_collects_and_6c_asks_again_with_the_right_length() -> None:
    first = Exchange(apdu.select(b"AB"))
    second = first.advance(Response(b"\x01", 0x6102))
    assert isinstance(second, Exchange)
    assert second.command.to_bytes(0) == bytes.fromhex("00C0000002")
    assert second.advance(Response(b"\x02\x03", 0x9000)) == Response(b"\x01\x02\x03", 0x9000)
    again = Exchange(apdu.read_record(1, 1)).advance(Response(b"", 0x6C20))
    assert isinstance(again, Exchange)
    assert again.command.to_bytes(0) == bytes.fromhex("00B2010C20")


@pytest.mark.parametrize("status", [0x6100, 0x61FF, 0x6C00])
def test_a_card_that_never_comes_to_an_end_is_stopped(status: int) -> None:
    def rounds() -> None:
        exchange: Exchange | Response = Exchange(apdu.read_record(1, 1))
        for _ in range(50):
            assert isinstance(exchange, Exchange)
            exchange = exchange.advance(Response(b"x" * 10, status))

    with pytest.raises(CardDataError):
        rounds()


@pytest.mark.parametrize("size", [0, 1, 259])
def test_an_answer_without_a_status_or_beyond_256_bytes_is_none(size: int) -> None:
    with pytest.raises(CardDataError):
        Response.from_bytes(bytes(size))


def test_a_command_and_its_answer_never_show_data() -> None:
    secret = bytes.fromhex("241234FFFFFFFFFF")
    assert "1234" not in repr(apdu.verify(secret, enciphered=False))
    assert "1234" not in repr(Response(b"\x12\x34", 0x9000)).replace("36864", "")
