"""A log made by hand, byte by byte as the kernel's document describes it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.blocks.log import Entry, Flag, LogError, count, parse

SECTOR = 512
MAGIC = b"rhswfsj\0"


def _padded(data: bytes) -> bytes:
    return data.ljust(SECTOR, b"\0")


def _head(entries: int, sector: int = SECTOR) -> bytes:
    # The magic number 0x6a736677736872, written little endian.
    return _padded(MAGIC + struct.pack("<QQI", 1, entries, sector))


def _entry(sector: int, sectors: int, flags: int, data: bytes = b"", length: int = 0) -> bytes:
    return _padded(struct.pack("<QQQQ", sector, sectors, flags, length)) + data


WRITE = _entry(8, 2, 0, b"a" * 2 * SECTOR)
FLUSH = _entry(0, 0, 1)
FUA = _entry(3, 1, 2, b"f" * SECTOR)
DISCARD = _entry(16, 4, 4)
MARK = _padded(struct.pack("<QQQQ", 0, 0, 8, 5) + b"begin")


def test_every_kind_of_entry_is_read() -> None:
    log = _head(5) + WRITE + FLUSH + FUA + DISCARD + MARK
    assert parse(log) == [
        Entry(8 * SECTOR, 2 * SECTOR, Flag(0), b"a" * 2 * SECTOR),
        Entry(0, 0, Flag.FLUSH, b""),
        Entry(3 * SECTOR, SECTOR, Flag.FUA, b"f" * SECTOR),
        Entry(16 * SECTOR, 4 * SECTOR, Flag.DISCARD, b""),
        Entry(0, 0, Flag.MARK, b"begin"),
    ]


def test_what_the_head_does_not_count_yet_is_not_read() -> None:
    assert len(parse(_head(1) + WRITE + FLUSH)) == 1


def test_sectors_of_4096_bytes_move_everything() -> None:
    head = struct.pack("<QQQI", 0x6A736677736872, 1, 1, 4096).ljust(4096, b"\0")
    entry = struct.pack("<QQQQ", 3, 1, 0, 0).ljust(4096, b"\0")
    assert parse(head + entry + b"x" * 4096) == [Entry(12288, 4096, Flag(0), b"x" * 4096)]


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (b"", "no head"),
        (_padded(b"\1" * 28), "not a log"),
        (_padded(struct.pack("<QQQI", 0x6A736677736872, 2, 0, 512)), "not a log of version 1"),
        (_head(0, sector=500), "sectors of 500"),
        (_head(0, sector=16), "sectors of 16"),
        (_head(1), "ends before entry 0"),
        (_head(2) + FLUSH, "ends before entry 1"),
        (_head(1) + WRITE[:-1], "ends within entry 0"),
        (_head(1) + _entry(0, 0, 32), "flags 0x20"),
        (_head(1) + _entry(0, 0, 8, length=481), "longer than its sector"),
    ],
)
def test_what_is_no_log_is_refused(log: bytes, says: str) -> None:
    with pytest.raises(LogError, match=says):
        parse(log)


def test_entries_are_counted_while_the_log_grows(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"")
    assert count(log) == 0
    log.write_bytes(_head(7))
    assert count(log) == 7
    log.write_bytes(b"\1" * 28)
    with pytest.raises(LogError, match="not a log"):
        count(log)
