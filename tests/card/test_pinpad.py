"""PIN pad commands and answers: what is sent, and that nothing but a format 4 block comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.card.abecs import packet
from posfw.card.pinpad import Answer, answer_of, close_pad, get_pin, open_pad, pin_of
from posfw.values.card import CardNumber
from posfw.values.errors import CodecError, DeviceError, MisuseError
from posfw.values.money import Money

NUMBER = CardNumber("6212345678900000003")


def test_opening_is_the_packet_that_public_programs_send() -> None:
    assert packet(open_pad()) == bytes.fromhex("16 4F504E 17 A8A9")
    assert close_pad() == b"CLO032" + b" " * 32


def test_the_fields_of_get_pin_stand_where_the_standard_has_them() -> None:
    text = get_pin(NUMBER, Money(1234), 1, key_slot=7).decode("ascii")
    assert text[:6] == "GPN093"
    fields = text[6:]
    assert len(fields) == int(text[3:6])
    assert (fields[0], fields[1:3], fields[3:35]) == ("5", "07", "0" * 32)
    assert (fields[35:37], fields[37:56]) == ("19", NUMBER.reveal())
    assert (fields[56], fields[57:59], fields[59:61]) == ("1", "04", "12")
    assert fields[61:] == "12.34".ljust(16) + "WRONG PIN: AGAIN"


@pytest.mark.parametrize(("prompt", "slot"), [(3, 0), (-1, 0), (0, 100), (0, -1)])
def test_a_prompt_or_slot_that_does_not_exist_is_misuse(prompt: int, slot: int) -> None:
    with pytest.raises(MisuseError):
        get_pin(NUMBER, Money(1), prompt, key_slot=slot)


def test_an_answer_is_name_status_and_blocks() -> None:
    assert answer_of(b"GPN000003ABC002DE") == Answer("GPN", 0, ("ABC", "DE"))
    assert "ABC" not in repr(answer_of(b"GPN000003ABC"))


@pytest.mark.parametrize(
    "data", [b"", b"GPN", b"GPNxyz", b"GP\xff000", b"GPN000004ABC", b"GPN000000", b"GPN00003ABC"]
)
def test_what_is_no_answer_is_one_error(data: bytes) -> None:
    with pytest.raises(CodecError):
        answer_of(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_the_one_error(data: bytes) -> None:
    for prefix in (b"", b"GPN000", b"GPN000056"):
        try:
            answer = answer_of(prefix + data)
        except CodecError:
            continue
        assert sum(len(block) + 3 for block in answer.blocks) + 6 == len(prefix + data)


def test_only_sixteen_and_twelve_bytes_are_a_pin() -> None:
    found = pin_of(Answer("GPN", 0, ("AB" * 16, "CD" * 12)))
    assert found is not None
    assert (found.block.reveal(), found.key_serial) == (b"\xab" * 16, b"\xcd" * 12)
    for size in (0, 8, 18, 27, 29):
        with pytest.raises(DeviceError):
            pin_of(Answer("GPN", 0, ("AB" * size,)))


@pytest.mark.parametrize("status", [12, 13])
def test_no_pin_is_none(status: int) -> None:
    assert pin_of(Answer("GPN", status)) is None


@pytest.mark.parametrize("status", [42, 44, 11, 999])
def test_a_refusal_is_a_device_error(status: int) -> None:
    with pytest.raises(DeviceError):
        pin_of(Answer("GPN", status, ("AB" * 28,)))
