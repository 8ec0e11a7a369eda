"""Hostile input: every case refused, by the walk over the heads or after it, with one error."""

from __future__ import annotations

import struct

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posfw.codec import cbor
from posfw.values.errors import CodecError
from tests.codec import judge


def head(major: int, value: int, size: int) -> bytes:
    """An item head with its argument in `size` bytes."""
    info = {1: 24, 2: 25, 4: 26, 8: 27}[size]
    return bytes([major << 5 | info]) + value.to_bytes(size, "big")


COLLIDING = b"".join(cbor2.dumps(((1 << 61) - 1) * (i + 1)) + b"\x00" for i in range(6000))
HOSTILE_HEADS = {
    "arrays 9 deep": b"\x81" * 9 + b"\x00",
    "arrays 10^7 deep": b"\x81" * 10**7 + b"\x00",
    "maps deep": b"\xa1\x00" * 8000 + b"\x00",
    "COSE tags deep": b"\xd2" * 10**4 + b"\x00",
    "unknown tags deep": b"\xd9\x70\x00" * 5000 + b"\x00",
    "shareable tags": b"\xd8\x1c" * 5000 + b"\x00",
    "bytes of 2^63": head(2, 1 << 63, 8),
    "bytes of 2^31": head(2, 1 << 31, 8) + b"abc",
    "text of 2^40": head(3, 1 << 40, 8) + b"abc",
    "array of 2^63": head(4, 1 << 63, 8),
    "array of 2^31": head(4, 1 << 31, 8) + b"\x00",
    "map of 2^40": head(5, 1 << 40, 8) + b"\x00\x00",
    "reference to itself": b"\xd8\x1c\x81\xd8\x1d\x00",
    "decimal": b"\xc4\x82" + head(0, 10**9, 4) + b"\x01",
    "bigfloat": b"\xc5\x82" + head(0, 1 << 62, 8) + b"\x01",
    "bignum": b"\xc2" + head(2, 1 << 12, 4) + b"\xff" * (1 << 12),
    "negative bignum": b"\xc3\x41\xff",
    "fraction": b"\xd8\x1e\x82\x01\x00",
    "regular expression": b"\xd8\x23\x66(a+)+$",
    "date": b"\xc0\x63abc",
    "epoch of NaN": b"\xc1\xf9\x7e\x00",
    "MIME": b"\xd8\x24\x63abc",
    "IP address": b"\xd9\x01\x04\x43abc",
    "UUID": b"\xd8\x25\x43abc",
    "set": b"\xd9\x01\x02\x81\x80",
    "string reference": b"\xd9\x01\x00\xd8\x19\x05",
    "nothing": b"",
    "indefinite array": b"\x9f\x01\xff",
    "indefinite string": b"\x5f\x5f\xff\xff",
    "trailing bytes": b"\x01\xff\xff",
    "reserved simple value": b"\xf8\x18",
    "undefined": b"\xf7",
    "break alone": b"\xff",
    "float": b"\xfb" + bytes(8),
    "NaN keys": b"\xb9\x03\xe8" + b"\xf9\x7e\x00\x00" * 1000,
}
HOSTILE_FORMS = {
    "duplicate keys": b"\xa2\x61a\x01\x61a\x02",
    "unordered keys": b"\xa2\x02\x00\x01\x00",
    "integer 1 in 8 bytes": head(0, 1, 8),
    "integer of 2^63": head(0, 1 << 63, 8),
    "integer of -2^64": head(1, (1 << 64) - 1, 8),
    "key of 2^63": b"\xa1" + head(0, 1 << 63, 8) + b"\x00",
    "array as key": b"\xa1\x80\x01",
    "true as key": b"\xa1\xf5\x01",
    "bytes as key": b"\xa1\x41a\x01",
    "tag as key": b"\xa1\xd1\x00\x00",
    "text that is not UTF-8": b"\x61\xff",
    "long tag head": b"\xd8\x11\x00",
    "colliding keys": b"\xb9" + struct.pack(">H", 6000) + COLLIDING,
}


@pytest.mark.parametrize("name", [*HOSTILE_HEADS, *HOSTILE_FORMS])
def test_a_hostile_item_is_refused(name: str) -> None:
    with pytest.raises(CodecError):
        cbor.decode((HOSTILE_HEADS | HOSTILE_FORMS)[name])


def test_the_judge_refuses_every_hostile_item_too() -> None:
    for data in (HOSTILE_HEADS | HOSTILE_FORMS).values():
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
