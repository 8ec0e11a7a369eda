"""What a disk may hold after a power cut: prefixes of a log of writes.

Durable is what a later flush confirmed, and what was written with FUA. Of the rest a cut may keep
nothing, everything, any whole requests without the others, or any sectors of any requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Final

from tests.blocks.log import Entry, Flag

__all__ = ["SECTOR_BYTES", "Disk", "Fate", "partition"]

SECTOR_BYTES: Final = 512


class Fate(Enum):
    """What becomes of what was not yet flushed."""

    LOST = "lost"
    KEPT = "kept"
    REORDERED = "reordered"  # later requests without earlier ones
    TORN = "torn"  # any sectors of any requests


@dataclass(slots=True)
class Disk:
    """One partition while a log is played.

    Attributes:
        durable: what survives for sure.
        start: where the partition begins on the device that was logged.
        pending: requests since the last flush, in order.
        flushes: barriers so far.
    """

    durable: bytearray
    start: int = 0
    pending: list[Entry] = field(default_factory=list)
    flushes: int = 0

    def feed(self, entry: Entry) -> None:
        """Advance by one entry.

        Raises:
            ValueError: it writes outside the partition.
        """
        if Flag.FLUSH in entry.flags:
            for earlier in self.pending:
                self._put(self.durable, self._at(earlier), _content(earlier))
            self.pending.clear()
            self.flushes += 1
        if entry.size:
            self._at(entry)
            self.pending.append(entry)

    def cut(self, fate: Fate, chance: Random) -> bytearray:
        """Return one disk that a cut now may leave."""
        image = bytearray(self.durable)
        for entry in self.pending:
            for at, data in _pieces(entry, fate, chance):
                self._put(image, self._at(entry) + at, data)
        return image

    def _at(self, entry: Entry) -> int:
        at = entry.at - self.start
        if at < 0 or at + entry.size > len(self.durable):
            raise ValueError(f"a write at byte {entry.at} is outside the partition")
        return at

    @staticmethod
    def _put(image: bytearray, at: int, data: bytes) -> None:
        image[at : at + len(data)] = data


def _content(entry: Entry) -> bytes:
    """A discarded range reads as zeros: what a reader must not rely on is gone."""
    return bytes(entry.size) if Flag.DISCARD in entry.flags else entry.data


def _pieces(entry: Entry, fate: Fate, chance: Random) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of an unflushed request that reached the disk, by place in the request."""
    content = _content(entry)
    if Flag.FUA in entry.flags or fate is Fate.KEPT:
        yield 0, content
    elif fate is Fate.REORDERED:
        if chance.random() < 0.5:
            yield 0, content
    elif fate is Fate.TORN:
        for at in range(0, len(content), SECTOR_BYTES):
            if chance.random() < 0.5:
                yield at, content[at : at + SECTOR_BYTES]


def partition(disk: bytes, name: str) -> tuple[int, int]:
    """Return first byte and size of a named partition of a GPT (UEFI 2.10, chapter 5.3).

    Args:
        disk: at least its first 34 sectors.

    Raises:
        KeyError: there is none of this name.
    """
    for at in range(2 * SECTOR_BYTES, 34 * SECTOR_BYTES, 128):
        first = int.from_bytes(disk[at + 32 : at + 40], "little")
        last = int.from_bytes(disk[at + 40 : at + 48], "little")
        label = disk[at + 56 : at + 128].decode("utf-16-le").rstrip("\0")
        if first and label == name:
            return first * SECTOR_BYTES, (last + 1 - first) * SECTOR_BYTES
    raise KeyError(name)
