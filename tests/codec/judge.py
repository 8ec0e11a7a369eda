"""cbor2 as a judge of our reader: what it decodes, held to the protocol's rules afterwards.

It runs with cbor2 6 here and, by `oracle_cbor.py`, with cbor2 5.9 in its own environment: it uses
the standard library and cbor2 alone.
"""

from __future__ import annotations

from typing import Any, Final

import cbor2

MAX_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 8


class RefusedError(ValueError):
    """The judge's one verdict against an input."""


def decode(data: bytes) -> Any:
    """Return the item, lists and dicts plain.

    Raises:
        RefusedError: not one plain item in deterministic form within the limits.
    """
    if len(data) > MAX_BYTES:
        raise RefusedError("too long")
    _walk(data)
    try:
        item = _plain(cbor2.loads(data))
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as error:
        raise RefusedError(type(error).__name__) from error
    if cbor2.dumps(item, canonical=True) != data:
        raise RefusedError("another form")
    return item


def _plain(item: Any) -> Any:
    if isinstance(item, (list, tuple)):
        return [_plain(each) for each in item]
    if isinstance(item, cbor2.CBORTag):
        return cbor2.CBORTag(item.tag, _plain(item.value))
    if item is None or isinstance(item, (bool, bytes, str)):
        return item
    if isinstance(item, int):
        if not -(1 << 63) <= item < 1 << 63:
            raise RefusedError("beyond 64 bits")
        return item
    if any(type(key) not in (int, str) for key in item):
        raise RefusedError("map key")
    return {_plain(key): _plain(value) for key, value in item.items()}


def _walk(data: bytes) -> None:
    """Refuse by the heads alone what cbor2 must not see: tags, floats, endless lengths, depth."""
    at, due = 0, [1]
    while due:
        if not due[-1]:
            due.pop()
            continue
        due[-1] -= 1
        at, items = _head(data, at)
        if items is not None:
            due.append(items)
        if len(due) > MAX_DEPTH + 1:
            raise RefusedError("depth")
    if at != len(data):
        raise RefusedError("trailing bytes")


def _head(data: bytes, at: int) -> tuple[int, int | None]:
    """Return where the next head begins and how many items this one holds, None for a leaf."""
    if at >= len(data):
        raise RefusedError("ends early")
    major, low = data[at] >> 5, data[at] & 31
    if low > 27 or (major == 7 and low not in (20, 21, 22)):
        raise RefusedError("length or simple value")
    size = 0 if low < 24 else 1 << (low - 24)
    argument = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else low
    at += 1 + size + (argument if major in (2, 3) else 0)
    if at > len(data) or (major in (4, 5) and argument > len(data)):
        raise RefusedError("ends early")
    if major == 6 and argument not in (16, 17, 18):
        raise RefusedError("tag")
    return at, {4: argument, 5: 2 * argument, 6: 1}.get(major)
