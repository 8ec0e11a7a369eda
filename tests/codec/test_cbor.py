"""Hostile input: every case refused, by the walk over the heads or after it, with one error."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.codec import cbor
from posfw.values.errors import CodecError
from tests.codec import judge
from tests.codec.hostile import FORMS, HEADS


@pytest.mark.parametrize("name", [*HEADS, *FORMS])
def test_a_hostile_item_is_refused(name: str) -> None:
    with pytest.raises(CodecError):
        cbor.decode({**HEADS, **FORMS}[name])


def test_the_judge_refuses_every_hostile_item_too() -> None:
    for data in (*HEADS.values(), *FORMS.values()):
        with pytest.raises(judge.RefusedError):
            judge.decode(data)


def test_the_limits_themselves_are_accepted() -> None:
    assert cbor.decode(b"\x81" * 7 + b"\x80") == [[[[[[[[]]]]]]]]
    for number in (-(1 << 63), (1 << 63) - 1):
        assert cbor.decode(cbor.encode(number)) == number


def test_a_message_beyond_16_kib_is_refused_both_ways() -> None:
    with pytest.raises(CodecError):
        cbor.encode(bytes(cbor.MAX_BYTES))
    with pytest.raises(CodecError):
        cbor.decode(cbor2.dumps(bytes(cbor.MAX_BYTES)))


def test_keys_are_sorted_length_first() -> None:
    assert cbor.encode({24: 0, -1: 0}) == b"\xa2\x20\x00\x18\x18\x00"  # RFC 8949, 4.2.3


@given(st.binary(max_size=60))
def test_any_bytes_decode_to_their_own_form_or_one_error(data: bytes) -> None:
    try:
        item = cbor.decode(data)
    except CodecError:
        return
    assert cbor.encode(item) == data


LEAVES = (
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.binary(max_size=9) | st.text(max_size=9)
)  # fmt: skip
KEYS = st.integers(0, 1 << 32) | st.text(max_size=5)


@given(
    st.recursive(LEAVES, lambda e: st.lists(e, max_size=3) | st.dictionaries(KEYS, e, max_size=3),
                 max_leaves=6).filter(lambda item: str(item).count("[") < 6)
)  # fmt: skip
def test_plain_values_come_back(item: object) -> None:
    assert cbor.decode(cbor.encode(item)) == item


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 60), st.integers(0, 9))
def test_reader_and_judge_agree_about_changed_messages(
    good: bytes, other: bytes, at: int, cut: int
) -> None:
    data = cbor.encode({1: 5, 4: good, 17: [good, {300: None}], "text": -1})
    data = data[:at] + other[: at % 3] + data[at + cut :]
    try:
        ours = cbor.decode(data)
    except CodecError:
        with pytest.raises(judge.RefusedError):
            judge.decode(data)
        return
    assert ours == judge.decode(data)


def test_byte_strings_have_their_one_form() -> None:
    for size in (0, 23, 24, 255, 256, 16_000):
        assert cbor.byte_string(bytes(size)) == cbor.encode(bytes(size))
