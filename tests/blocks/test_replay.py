"""What a cut may leave of a small disk."""

from __future__ import annotations

import struct
from random import Random

import pytest

from tests.blocks.log import Entry, Flag
from tests.blocks.replay import SECTOR_BYTES, Disk, Fate, partition

NONE = Flag(0)
START = 4 * SECTOR_BYTES


def _write(sector: int, letters: bytes, flags: Flag = NONE) -> Entry:
    data = b"".join(bytes([letter]) * SECTOR_BYTES for letter in letters)
    return Entry(START + sector * SECTOR_BYTES, len(data), flags, data)


def _flush() -> Entry:
    return Entry(0, 0, Flag.FLUSH, b"")


def _left(entries: list[Entry], fate: Fate, tries: int = 60) -> set[bytes]:
    """Every disk of four sectors that cuts left, a letter a sector."""
    found = set()
    for seed in range(tries):
        disk = Disk(bytearray(b"." * 4 * SECTOR_BYTES), START)
        for entry in entries:
            disk.feed(entry)
        image = disk.cut(fate, Random(seed))
        sectors = range(0, len(image), SECTOR_BYTES)
        assert all(len(set(image[at : at + SECTOR_BYTES])) == 1 for at in sectors)
        found.add(bytes(image[at] for at in sectors))
    return found


def test_a_flush_keeps_what_was_before_it() -> None:
    before = [_write(0, b"ab"), _flush()]
    for fate in Fate:
        assert _left(before, fate) == {b"ab.."}


def test_what_is_not_flushed_is_lost_or_kept() -> None:
    entries = [_write(0, b"a"), _flush(), _write(1, b"b"), _write(0, b"c")]
    assert _left(entries, Fate.LOST) == {b"a..."}
    assert _left(entries, Fate.KEPT) == {b"cb.."}


def test_later_requests_may_stand_without_earlier_ones_and_each_is_whole() -> None:
    entries = [_write(0, b"ab"), _write(2, b"c")]
    assert _left(entries, Fate.REORDERED) == {b"....", b"ab..", b"..c.", b"abc."}


def test_a_torn_request_leaves_any_of_its_sectors() -> None:
    assert _left([_write(0, b"ab")], Fate.TORN) == {b"....", b"a...", b".b..", b"ab.."}


def test_fua_is_durable_by_itself_and_stays_in_its_place() -> None:
    entries = [_write(0, b"a"), _write(1, b"f", Flag.FUA), _write(1, b"g")]
    assert _left(entries, Fate.LOST) == {b".f.."}
    assert _left(entries, Fate.KEPT) == {b"ag.."}


def test_a_flush_with_data_does_not_keep_its_own_data() -> None:
    entries = [_write(0, b"a"), _write(1, b"b", Flag.FLUSH)]
    assert _left(entries, Fate.LOST) == {b"a..."}
    both = [_write(0, b"a"), _write(1, b"b", Flag.FLUSH | Flag.FUA)]
    assert _left(both, Fate.LOST) == {b"ab.."}


def test_what_is_discarded_is_gone_once_it_is_flushed() -> None:
    discard = Entry(START, 2 * SECTOR_BYTES, Flag.DISCARD, b"")
    entries = [_write(0, b"abc"), _flush(), discard]
    assert _left(entries, Fate.LOST) == {b"abc."}
    assert _left([*entries, _flush()], Fate.LOST) == {b"\0\0c."}


@pytest.mark.parametrize("sector", [-1, 4])
def test_a_write_outside_the_partition_is_refused(sector: int) -> None:
    disk = Disk(bytearray(4 * SECTOR_BYTES), START)
    with pytest.raises(ValueError, match="outside the partition"):
        disk.feed(_write(sector, b"a"))


def test_a_partition_is_found_by_its_name() -> None:
    table = bytearray(34 * SECTOR_BYTES)
    for number, (name, first, last) in enumerate((("boot", 2048, 4095), ("data", 4096, 6143))):
        fields = (b"t" * 16, b"u" * 16, first, last, 0, name.encode("utf-16-le"))
        struct.pack_into("<16s16sQQQ72s", table, 2 * SECTOR_BYTES + number * 128, *fields)
    assert partition(bytes(table), "data") == (4096 * 512, 2048 * 512)
    with pytest.raises(KeyError, match="rootA"):
        partition(bytes(table), "rootA")
