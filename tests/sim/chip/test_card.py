"""The simulated card keeps the rules of a real one, so that the kernel cannot lean on it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from posfw.sim.chip.ber import cn, numeric, split_dol, tlv
from posfw.sim.chip.card import ATR, ChipCard
from posfw.sim.chip.pinpad import plaintext_block
from posfw.sim.chip.profile import UNIONPAY, VISA

SELECT = bytes.fromhex("00A4040007A0000000031010")
GPO = bytes.fromhex("80A8000002830000")


def card(protocol: int = 1, **changes: object) -> ChipCard:
    profile = replace(VISA, **changes)  # type: ignore[arg-type]  # a test's own words
    return ChipCard(profile, random.Random(1).randbytes, protocol=protocol)


def test_ber_encoding_has_the_shortest_lengths() -> None:
    assert tlv(0x5A, b"\x01").hex() == "5a0101"
    assert tlv(0x9F02, bytes(200))[:4].hex() == "9f0281c8"
    assert tlv(0x70, bytes(300))[:4].hex() == "7082012c"
    assert cn("123") == b"\x12\x3f"
    assert numeric(156, 2) == b"\x01\x56"
    assert split_dol(bytes.fromhex("9F02019A02"), b"\x01\x02\x03") == {
        0x9F02: b"\x01",
        0x9A: b"\x02\x03",
    }


def test_the_answer_to_reset_is_as_long_as_it_says() -> None:
    assert ATR[0] == 0x3B
    assert len(ATR) == 4 + (ATR[1] & 0x0F)


@pytest.mark.parametrize(
    "command",
    [
        "80A8000002830000",
        "00B2010C00",
        "008800000400000000",
        "80AE800000",
        "0082000008" + "00" * 8,
    ],
)
def test_nothing_happens_before_an_application_is_selected(command: str) -> None:
    assert card().transmit(bytes.fromhex(command))[-2:] in (b"\x69\x85", b"\x6a\x83")


def test_a_cryptogram_needs_processing_options_first_and_comes_twice_at_most() -> None:
    chip = card()
    chip.transmit(SELECT)
    size = sum(len(value) for value in split_dol(VISA.cdol1, bytes(255)).values())
    first = bytes((0x80, 0xAE, 0x80, 0, size)) + bytes(size) + b"\x00"
    assert chip.transmit(first) == b"\x69\x85"
    assert chip.transmit(GPO)[-2:] == b"\x90\x00"
    assert chip.transmit(first)[-2:] == b"\x90\x00"
    size = sum(len(value) for value in split_dol(VISA.cdol2, bytes(255)).values())
    second = bytes((0x80, 0xAE, 0x40, 0, size)) + bytes(size) + b"\x00"
    assert chip.transmit(second)[-2:] == b"\x90\x00"
    assert chip.transmit(second) == b"\x69\x85"


def test_the_transaction_counter_grows_once_a_transaction() -> None:
    chip = card()
    for _ in range(3):
        chip.reset()
        chip.transmit(SELECT)
        chip.transmit(GPO)
    assert chip.atc == VISA.atc + 3


def test_a_wrong_pin_counts_down_and_a_right_one_resets() -> None:
    chip = card()
    head = bytes.fromhex("0020008008")
    assert chip.transmit(head + plaintext_block("9999")) == b"\x63\xc2"
    assert chip.transmit(head + plaintext_block("1234")) == b"\x90\x00"
    for left in (2, 1, 0):
        assert chip.transmit(head + plaintext_block("9999")) == bytes((0x63, 0xC0 | left))
    assert chip.transmit(head + plaintext_block("1234")) == b"\x69\x83"


def test_under_t_0_answers_are_fetched_and_lengths_corrected() -> None:
    chip = card(protocol=0)
    answer = chip.transmit(SELECT)
    assert answer[0] == 0x61
    assert chip.transmit(bytes((0, 0xC0, 0, 0, answer[1])))[:1] == b"\x6f"
    chip.transmit(GPO)
    wrong = chip.transmit(bytes.fromhex("00B2010C00"))
    assert wrong[0] == 0x6C
    right = chip.transmit(bytes.fromhex("00B2010C") + wrong[1:])
    assert len(right) == wrong[1] + 2


def test_a_script_without_the_issuers_mac_is_refused() -> None:
    chip = ChipCard(UNIONPAY, random.Random(1).randbytes)
    assert chip.transmit(bytes.fromhex("841E000008") + bytes(8)) == b"\x69\x88"
    assert not chip.blocked


@pytest.mark.parametrize("command", [b"", b"\x00", b"\x00\xa4\x04"])
def test_half_a_command_is_answered_too(command: bytes) -> None:
    assert card().transmit(command) == b"\x67\x00"
