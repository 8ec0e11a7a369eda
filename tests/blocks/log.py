"""The log of writes that QEMU's blklogwrites keeps, in the format of Linux's dm-log-writes.

Source: drivers/md/dm-log-writes.c (struct log_write_super, struct log_write_entry) and
Documentation/admin-guide/device-mapper/log-writes.rst of the kernel. All numbers are little
endian; each record begins on a sector of its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path
from typing import Final

__all__ = ["Entry", "Flag", "LogError", "count", "parse"]

MAGIC: Final = 0x6A736677736872
VERSION: Final = 1
_SUPER: Final = struct.Struct("<QQQI")  # magic, version, entries, bytes of a sector
_ENTRY: Final = struct.Struct("<QQQQ")  # sector, sectors, flags, bytes of data in the record


class LogError(Exception):
    """It is no log, or it ends too early."""


class Flag(IntFlag):
    """LOG_*_FLAG of dm-log-writes.c."""

    FLUSH = 1  # what was written before is durable before this entry
    FUA = 2  # this entry is durable by itself
    DISCARD = 4  # no data: the range's content is given up
    MARK = 8  # no range: the record holds a name
    METADATA = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One request.

    Attributes:
        at: first byte on the device.
        size: bytes of the range.
        flags: what it was beside a write.
        data: what was written; of a discard nothing, of a mark its name.
    """

    at: int
    size: int
    flags: Flag
    data: bytes


def count(path: Path) -> int:
    """Return how many entries a log has, also while it is written; 0 before its first sync.

    Raises:
        LogError: the file is no such log.
    """
    with path.open("rb", buffering=0) as log:
        head = log.read(_SUPER.size)
    return _super(head)[0] if len(head) == _SUPER.size and any(head) else 0


def parse(log: bytes) -> list[Entry]:
    """Return every entry of a log, oldest first.

    Raises:
        LogError: not such a log, an unknown flag, or one that ends within an entry.
    """
    if len(log) < _SUPER.size:
        raise LogError("the log has no head")
    entries, sector = _super(log[: _SUPER.size])
    at, found = sector, []
    for number in range(entries):
        entry, at = _entry(log, at, sector, number)
        found.append(entry)
    return found


def _super(head: bytes) -> tuple[int, int]:
    magic, version, entries, sector = _SUPER.unpack(head)
    if magic != MAGIC or version != VERSION:
        raise LogError(f"not a log of version {VERSION}: {magic:#x} {version}")
    if sector < _ENTRY.size or sector & (sector - 1):
        raise LogError(f"sectors of {sector} bytes")
    return int(entries), int(sector)


def _entry(log: bytes, at: int, sector: int, number: int) -> tuple[Entry, int]:
    if at + sector > len(log):
        raise LogError(f"the log ends before entry {number}")
    first, sectors, raw, length = _ENTRY.unpack_from(log, at)
    if raw & ~sum(Flag):
        raise LogError(f"entry {number} has flags {raw:#x}")
    flags, start, size = Flag(raw), at + sector, sectors * sector
    if Flag.MARK in flags:
        if length > sector - _ENTRY.size:
            raise LogError(f"the name of mark {number} is longer than its sector")
        name = log[at + _ENTRY.size : at + _ENTRY.size + length]
        return Entry(first * sector, 0, flags, name), start
    if Flag.DISCARD in flags:
        return Entry(first * sector, size, flags, b""), start
    if start + size > len(log):
        raise LogError(f"the log ends within entry {number}")
    return Entry(first * sector, size, flags, log[start : start + size]), start + size
