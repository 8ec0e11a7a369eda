from __future__ import annotations

import sqlite3
from pathlib import Path
from random import Random

import pytest

from tests.power import vfs
from tests.power.disk import Disk, Fate

pytestmark = [
    pytest.mark.may_block,
    pytest.mark.skipif(bool(vfs.available()), reason=f"no power cuts: {vfs.available()}"),
]


def commits(path: Path, count: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (a)")
    for number in range(count):
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        vfs.effect("durable", number)
    connection.close()


def test_the_recorded_trace_rebuilds_the_file(tmp_path: Path) -> None:
    with vfs.recording():
        commits(tmp_path / "a.db", 5)
        trace = list(vfs.TRACE)
    disk = Disk()
    for event in trace:
        disk.feed(event)
    kept = disk.cut(Fate.KEPT, Random(0)).files
    assert kept == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert [event[2] for event in trace if event[0] == "ext"] == list(range(5))


def test_every_commit_waits_for_a_sync_of_the_wal(tmp_path: Path) -> None:
    with vfs.recording():
        commits(tmp_path / "a.db", 5)
        trace = list(vfs.TRACE)
    disk = Disk()
    for event in trace:
        disk.feed(event)
        if event[:2] == ("ext", "durable"):
            assert not disk.pending.get("a.db-wal"), event


def test_nothing_is_recorded_outside_the_context(tmp_path: Path) -> None:
    with vfs.recording():
        pass
    commits(tmp_path / "a.db", 1)
    assert [event for event in vfs.TRACE if event[0] != "ext"] == []
