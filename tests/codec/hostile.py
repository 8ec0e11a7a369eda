"""Hostile CBOR: every case of the reliability page's section 6, for tests and the bench alike."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

import cbor2

__all__ = ["FORMS", "HEADS"]


def head(major: int, value: int, size: int) -> bytes:
    """An item head with its argument in `size` bytes."""
    info = {1: 24, 2: 25, 4: 26, 8: 27}[size]
    return bytes([major << 5 | info]) + value.to_bytes(size, "big")


def _laughs(levels: int) -> bytes:
    """Each level shares an array of ten references to the level below: 10^levels items."""
    data = b"\xd8\x1c\x80"
    for level in range(levels):
        reference = b"\xd8\x1d" + (bytes([level]) if level < 24 else head(0, level, 1))
        data = b"\x82" + data + b"\xd8\x1c\x8a" + reference * 10
    return data


COLLIDING: Final = b"".join(cbor2.dumps(((1 << 61) - 1) * (i + 1)) + b"\x00" for i in range(6000))
HEADS: Final[Mapping[str, bytes]] = {
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
    "arrays 10^5 deep": b"\x81" * 10**5 + b"\x00",
    "date tags 10^5 deep": b"\xc1" * 10**5 + b"\x00",
    "unknown tags 10^6 deep": b"\xd9\x70\x00" * 10**6 + b"\x00",
    "tags and arrays 5*10^5 deep": b"\xd9\x70\x00\x81" * (5 * 10**5) + b"\x00",
    "bytes of 2^40": head(2, 1 << 40, 8) + b"abc",
    "array of 2^40": head(4, 1 << 40, 8) + b"\x00",
    "billion laughs": _laughs(9),
    "decimal, exponent -2^63": b"\xc4\x82" + head(1, (1 << 63) - 1, 8) + b"\x01",
    "bignum of 16 MiB": b"\xc2" + head(2, 1 << 24, 4) + bytes(1 << 24),
    "fraction over 1 MiB": b"\xd8\x1e\x82\x01\xc2" + head(2, 1 << 20, 4) + bytes(1 << 20),
    "5,000 regular groups": b"\xd8\x23" + head(3, 10_000, 2) + b"(" * 5000 + b")" * 5000,
    "epoch of 2^63": b"\xc1" + head(0, 1 << 63, 8),
    "10,000 NaN keys": b"\xb9\x27\x10" + b"\xf9\x7e\x00\x00" * 10_000,
    "NaN keys": b"\xb9\x03\xe8" + b"\xf9\x7e\x00\x00" * 1000,
}
FORMS: Final[Mapping[str, bytes]] = {
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
    "colliding keys within the limit": b"\xb9" + struct.pack(">H", 1600) + COLLIDING[: 1600 * 10],
    "60,000 colliding keys": b"\xba" + struct.pack(">I", 60_000) + COLLIDING * 10,
}
