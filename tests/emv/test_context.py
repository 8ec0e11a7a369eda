"""What a card may tell the terminal, and what it may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from posfw.codec.tlv import parse
from posfw.emv.bits import TVR
from posfw.emv.context import Context, card_objects, template
from posfw.emv.tags import Tag
from posfw.values.errors import CardDataError


def objects(text: str) -> dict[int, bytes]:
    return card_objects(tuple(parse(bytes.fromhex(text))))


def test_a_card_cannot_write_what_is_the_terminals() -> None:
    hostile = "9F0206000000000001950500000000009F3303E0F8C89B02FFFF9F3704DEADBEEF"
    assert objects(hostile) == {}
    assert objects(hostile + "5F340101") == {Tag.PAN_SEQUENCE: b"\x01"}


@pytest.mark.parametrize(
    "wrong", ["5F24023012", "9F2609" + "00" * 9, "8E0400000000", "5A00", "9F1400"]
)
def test_an_object_of_the_wrong_length_ends_it(wrong: str) -> None:
    with pytest.raises(CardDataError):
        objects(wrong)


def test_an_object_twice_ends_it_also_inside_a_template() -> None:
    for twice in ("5F3401015F340101", "5F340101A5045F340101"):
        with pytest.raises(CardDataError, match="twice"):
            objects(twice)


@pytest.mark.parametrize("wrong", ["", "77025F34", "70027002", "70007000", "7005"])
def test_a_record_must_be_the_one_template(wrong: str) -> None:
    with pytest.raises(CardDataError):
        template(bytes.fromhex(wrong), Tag.RECORD)


def test_bits_are_only_ever_added(make_context: Callable[..., Context]) -> None:
    context = make_context().mark(TVR.SDA_FAILED).mark(TVR.NEW_CARD)
    assert context.tvr == TVR.SDA_FAILED | TVR.NEW_CARD
    assert context.value(Tag.TVR) == bytes.fromhex("4008000000")


def test_a_context_never_shows_card_data(make_context: Callable[..., Context]) -> None:
    context = make_context({Tag.PAN: bytes.fromhex("6216261000000000018F")})
    assert "6216" not in repr(context)
    assert "b'b\\x16" not in repr(context)
