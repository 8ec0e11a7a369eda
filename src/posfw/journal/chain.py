"""The ratcheted hash chain over entries: h_i = HMAC(k_i, h_{i-1} || entry), k_{i+1} = H(k_i).

A key that has sealed an entry is gone when the next is written, so whoever takes the file later
cannot seal a changed past; nor can it cut off the end, because the running key belongs to the
entry after the last. What a chain cannot show is an old copy of the whole file: codes that were
told outside (slips, the acquirer) are held against it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["GENESIS", "Link", "first_bad", "next_key", "seal", "short_code"]

GENESIS: Final = bytes(32)


@dataclass(frozen=True, slots=True)
class Link:
    """One stored entry as the chain sees it: its number, its sealed bytes, its code."""

    number: int
    content: bytes
    mac: bytes


def seal(key: bytes, previous: bytes, content: bytes) -> bytes:
    """Return the code of an entry."""
    return hmac.digest(key, previous + content, "sha256")


def next_key(key: bytes) -> bytes:
    """Return the key that seals the following entry."""
    return hashlib.sha256(b"posfw chain" + key).digest()


def first_bad(
    start_key: bytes,
    links: Iterable[Link],
    head: bytes,
    running: bytes,
    witnesses: Mapping[int, str] = MappingProxyType({}),
) -> int | None:
    """Return the number of the first entry that is missing or changed, or None.

    Args:
        start_key: the key of entry 1, kept outside the journal file.
        links: every entry in order of number.
        head: the code of the last entry, as the file says.
        running: the key of the entry after the last, as the file says.
        witnesses: short codes that were told outside, by number of the entry.
    """
    key, previous, expected = start_key, GENESIS, 1
    for link in links:
        code = seal(key, previous, link.content)
        told = witnesses.get(expected, short_code(code))
        if (link.number, link.mac, short_code(code)) != (expected, code, told):
            return expected
        key, previous, expected = next_key(key), code, expected + 1
    whole = hmac.compare_digest(previous, head) and hmac.compare_digest(key, running)
    return None if whole and max(witnesses, default=0) < expected else expected


def short_code(head: bytes) -> str:
    """Return eight hexadecimal digits of a head, for slips and screens."""
    return head[:4].hex().upper()
