"""Data object lists: tags and lengths that a card asks to be filled (EMV Book 3, 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from posfw.emv.tags import COMPRESSED, NUMERIC
from posfw.values.errors import CardDataError

__all__ = ["build", "parse", "tags"]

# Lc of a short command holds 255, template 83 takes up to three of them.
MAX_BYTES: Final = 255


@lru_cache(maxsize=64)  # the DOLs of one card profile are the same on every card of an issuer
def parse(dol: bytes) -> tuple[tuple[int, int], ...]:
    """Return (tag, length) pairs.

    Raises:
        CardDataError: cut off, a longer length, or more data than one command holds.
    """
    entries = tuple(_entries(dol))
    if sum(length for _, length in entries) > MAX_BYTES:
        raise CardDataError("A data object list asks for more than one command holds.")
    return entries


def tags(dol: bytes) -> frozenset[int]:
    """Return the tags a list asks for."""
    return frozenset(tag for tag, _ in parse(dol))


def build(dol: bytes, value_of: Callable[[int], bytes]) -> bytes:
    """Return the list's data in order.

    Args:
        dol: the list.
        value_of: gives an object's value, b"" for one that is unknown or has none: zeros stand
            for it (Book 3, 5.4, step 2b).
    """
    return b"".join([_fit(tag, length, value_of(tag)) for tag, length in parse(dol)])


def _entries(dol: bytes) -> Iterator[tuple[int, int]]:
    at, end = 0, len(dol)
    while at < end:
        size = 1
        if dol[at] & 0x1F == 0x1F:
            size = 2
            while at + size < end and dol[at + size - 1] & 0x80:
                size += 1
        if at + size >= end or size > 3 or (dol[at + size] > 0x7F and dol[at + size] != 0x81):
            raise CardDataError("A data object list is cut off or has a wrong length.")
        tag = int.from_bytes(dol[at : at + size], "big")
        at += size
        length = dol[at]
        if length == 0x81:
            at += 1
            if at >= end:
                raise CardDataError("A data object list is cut off.")
            length = dol[at]
        at += 1
        yield tag, length


def _fit(tag: int, length: int, value: bytes) -> bytes:
    size = len(value)
    if size == length:
        return value
    if not size:
        return bytes(length)
    if tag in NUMERIC:
        return value[size - length :] if size > length else value.rjust(length, b"\x00")
    return value[:length] if size > length else value.ljust(length, _padding(tag))


def _padding(tag: int) -> bytes:
    return b"\xff" if tag in COMPRESSED else b"\x00"
