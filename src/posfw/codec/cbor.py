"""The one door for CBOR: deterministic out, strict in. Anything else is one error type.

Reading is our own, one pass: accepting only the deterministic form is simpler than undoing what a
general decoder accepts (shared references, bignums, duplicate keys, trailing bytes) and gives the
same verdicts everywhere: cbor2 5.9 is pure Python on armv7, 6.x is Rust elsewhere. Writing is
cbor2's canonical form; both versions of cbor2 judge the reader in tests. Key order is length first
(RFC 8949, 4.2.3); with unsigned-integer keys that is also the bytewise order of 4.2.1.
"""

from __future__ import annotations

from typing import Any, Final

import cbor2

from posfw.values.errors import CodecError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Tag", "byte_string", "decode", "encode"]

# 19.6 KB of colliding keys cost 15 ms, 0.78 MB more than 25 s (measured, cbor2 6.3).
MAX_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 8
ALLOWED_TAGS: Final = frozenset({16, 17, 18})  # COSE_Encrypt0, COSE_Mac0, COSE_Sign1 (RFC 9052)
_SIMPLE: Final = {20: False, 21: True, 22: None}
_BEYOND: Final = 1 << 63  # integers stay in 64 signed bits
# The least argument that needs 1, 2, 4 and 8 bytes: less in them is not the shortest form.
_LEAST: Final = (24, 1 << 8, 1 << 16, 1 << 32)

Tag = cbor2.CBORTag


def encode(item: Any) -> bytes:
    """Return the one deterministic form of plain values.

    Raises:
        CodecError: longer than MAX_BYTES.
    """
    data: bytes = cbor2.dumps(item, canonical=True)
    if len(data) > MAX_BYTES:
        raise CodecError(f"A message of {len(data)} bytes is longer than {MAX_BYTES}.")
    return data


def byte_string(data: bytes) -> bytes:
    """Return a byte string's one form: for structures that are put together by hand (COSE)."""
    size = len(data)
    if size < _LEAST[0]:
        return bytes((0x40 | size,)) + data
    if size < _LEAST[1]:
        return bytes((0x58, size)) + data
    return b"\x59" + size.to_bytes(2, "big") + data


def decode(data: bytes) -> Any:
    """Decode exactly one item of plain values: int, bytes, str, bool, null, list, map, COSE tags.

    Raises:
        CodecError: anything else. The input appears in no message: it may be card data.
    """
    if len(data) > MAX_BYTES:
        raise CodecError(f"A message of {len(data)} bytes is longer than {MAX_BYTES}.")
    try:
        item, end = _item(data, 0, MAX_DEPTH)
    except IndexError:
        raise CodecError("The CBOR item ends early.") from None
    except UnicodeDecodeError:
        # The cause would hold the bytes; the chain is cut so that no card data reaches a log.
        raise CodecError("A CBOR text is not UTF-8.") from None
    if end != len(data):
        raise CodecError("Bytes follow the CBOR item.")
    return item


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """Return the item that begins at `at` and where the next one begins (RFC 8949, 3)."""
    major, argument = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        if argument not in _SIMPLE:
            raise CodecError("Floats and unassigned simple values are refused.")
        return _SIMPLE[argument], at
    if argument > 23:
        argument, at = _long(data, at, argument)
    if major > 3:
        return _container(data, at, major, argument, depth)
    if major > 1:
        return _string(data, at, major, argument)
    if argument >= _BEYOND:
        raise CodecError("An integer beyond 64 bits.")
    return (-1 - argument if major else argument), at


def _string(data: bytes, at: int, major: int, size: int) -> tuple[bytes | str, int]:
    end = at + size
    if end > len(data):
        raise CodecError("The CBOR item ends early.")
    return (str(data[at:end], "utf-8") if major == 3 else data[at:end]), end


def _container(data: bytes, at: int, major: int, count: int, depth: int) -> tuple[Any, int]:
    if not depth:
        raise CodecError("The CBOR item is nested too deeply.")
    if major == 5:
        return _map(data, at, count, depth - 1)
    if major == 4:
        items = []
        for _ in range(count):  # an announced length allocates nothing; the bytes end it
            item, at = _item(data, at, depth - 1)
            items.append(item)
        return items, at
    if count not in ALLOWED_TAGS:
        raise CodecError("A CBOR tag that this protocol does not name.")
    item, at = _item(data, at, depth - 1)
    return Tag(count, item), at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[Any, Any], int]:
    found: dict[Any, Any] = {}
    last = b""
    for _ in range(count):
        start = at
        if data[at] < 24:
            key, at = data[at], at + 1
        elif data[at] >> 5 in (0, 1, 3):
            key, at = _item(data, at, 0)
        else:
            raise CodecError("A map key must be an integer or a text.")
        form = data[start:at]
        # Strictly rising: this ends unordered and duplicate keys, and keys that collide.
        if len(form) < len(last) or (len(form) == len(last) and form <= last):
            raise CodecError("The keys of a CBOR map are not in order or come twice.")
        last = form
        found[key], at = _item(data, at, depth)
    return found, at


def _long(data: bytes, at: int, low: int) -> tuple[int, int]:
    """Return an argument of 1, 2, 4 or 8 bytes and where it ends."""
    if low > 27:
        raise CodecError("Indefinite and reserved lengths are refused.")
    end = at + (1 << low - 24)
    if end > len(data):
        raise CodecError("The CBOR item ends early.")
    argument = int.from_bytes(data[at:end], "big")
    if argument < _LEAST[low - 24]:
        raise CodecError("The CBOR item is not in deterministic form.")
    return argument, end
