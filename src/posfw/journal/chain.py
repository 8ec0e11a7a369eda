"""The ratcheted hash chain over entries: h_i = HMAC(k_i, h_{i-1} || entry), k_{i+1} = H(k_i).

A key that has sealed an entry is gone when the next is written, so whoever takes the file later
cannot seal a changed past; nor can it cut off the end, because the running key belongs to the
entry after the last. What a chain cannot show is an old copy of the whole file: codes that were
told outside (slips, the acquirer) are held against it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Final

__all__ = [
    "GENESIS",
    "Link",
    "Walk",
    "first_bad",
    "key_at",
    "next_key",
    "seal",
    "short_code",
]

GENESIS: Final = bytes(32)
_BLOCK_BYTES: Final = 64  # of SHA-256
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))  # RFC 2104, 2: ipad and opad
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


@dataclass(frozen=True, slots=True)
class Link:
    """One stored entry as the chain sees it: its number, its sealed bytes, its code."""

    number: int
    content: bytes
    mac: bytes


def seal(key: bytes, previous: bytes, content: bytes) -> bytes:
    """Return the code of an entry: HMAC-SHA-256 (RFC 2104) under a key of 64 bytes at most.

    As two hashes: `hmac.digest` looks its parts up in OpenSSL each time, which after a sync's
    sleep costs a commit 10 us more (docs/journal.md).
    """
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner = sha256(block.translate(_INNER) + previous + content).digest()
    return sha256(block.translate(_OUTER) + inner).digest()


def next_key(key: bytes) -> bytes:
    """Return the key that seals the following entry."""
    return sha256(b"posfw chain" + key).digest()


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
    walk = Walk(start_key, GENESIS, 1, witnesses)
    for link in links:
        bad = walk.feed(link)
        if bad is not None:
            return bad
    return walk.end(head, running)


@dataclass(slots=True)
class Walk:
    """A chain followed from entry to entry, so that it can be left and gone on with.

    Attributes:
        key: of the next entry.
        previous: code of the entry before it.
        expected: its number.
        witnesses: short codes that were told outside, by number of the entry.
    """

    key: bytes
    previous: bytes
    expected: int
    witnesses: Mapping[int, str] = field(default_factory=dict)

    def feed(self, link: Link) -> int | None:
        """Go on by one stored entry; return the number of the one that is missing or changed."""
        expected = self.expected
        code = seal(self.key, self.previous, link.content)
        told = self.witnesses.get(expected, short_code(code))
        if (link.number, link.mac, short_code(code)) != (expected, code, told):
            return expected
        self.key, self.previous, self.expected = next_key(self.key), code, expected + 1
        return None

    def end(self, head: bytes, running: bytes) -> int | None:
        """Compare with the head and the running key that the file has: an end may be cut off."""
        whole = hmac.compare_digest(self.previous, head) and hmac.compare_digest(self.key, running)
        last = max(self.witnesses, default=0)
        return None if whole and last < self.expected else self.expected


def key_at(start_key: bytes, count: int) -> bytes:
    """Return the key after `count` entries; half a microsecond each."""
    key = start_key
    for _ in range(count):
        key = sha256(b"posfw chain" + key).digest()
    return key


def short_code(head: bytes) -> str:
    """Return eight hexadecimal digits of a head, for slips and screens."""
    return head[:4].hex().upper()
